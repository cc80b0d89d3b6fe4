/**
 * Builds `dist/crid`, one static file: `deno run -A scripts/build.ts [--native]`.
 * With `--native` only the native programs, to `dist/native`.
 *
 * @module
 */
import { join } from "@std/path";
import { bundle } from "./build/bundle.ts";
import { compile, compileObstacle } from "./build/compile.ts";
import { buildLauncher } from "./build/launcher.ts";
import { buildNative, HELPERS, MONITOR } from "./build/native.ts";
import { repository } from "./build/paths.ts";
import { PERMISSIONS, RUNTIME_FLAGS } from "./build/permissions.ts";

/** What crid starts besides the node's own programs. */
const NATIVE = [HELPERS, MONITOR];

/** Keeps a build from asking or writing anything outside the unpacked directory. */
const RUN_VARIABLES = ["DENO_DIR=%/cache", "DENO_NO_UPDATE_CHECK=1"];

async function build(): Promise<void> {
  const started = performance.now();
  const dist = join(repository, "dist");
  const out = join(dist, "crid");
  for (const target of NATIVE) report(target.name, await sizeOf(await buildNative(target)));

  const obstacle = await compileObstacle();
  const bundles = await bundle(obstacle === undefined ? "deno compile" : "launcher");
  const directory = join(dist, "bundle");
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  await Deno.mkdir(directory, { recursive: true });
  for (const [name, content] of bundles) {
    await Deno.writeFile(join(directory, name), content);
    report(name, kilobytes(content.length));
  }

  if (obstacle === undefined) {
    report("runtime", "deno compile");
    const program = join(dist, ".compiled");
    await compile(directory, [...bundles.keys()], program);
    await buildLauncher({ out, program, arguments: [], variables: [], files: new Map() });
    await Deno.remove(program);
  } else {
    report("runtime", `deno ${Deno.version.deno} run by our launcher (${obstacle})`);
    await buildLauncher({
      ...{ out, program: Deno.execPath(), variables: RUN_VARIABLES },
      arguments: ["run", ...RUNTIME_FLAGS, ...PERMISSIONS, "%/bundle/mod.js"],
      files: new Map([...bundles].map(([name, content]) => [`bundle/${name}`, content])),
    });
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  report("dist/crid", `${await sizeOf(out)}, built in ${seconds} s`);
}

async function sizeOf(path: string): Promise<string> {
  return kilobytes((await Deno.stat(path)).size);
}

function kilobytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function report(what: string, text: string): void {
  console.log(`  ${what.padEnd(18)} ${text}`);
}

if (import.meta.main) {
  try {
    if (Deno.args.includes("--native")) {
      await Promise.all(NATIVE.map((target) => buildNative(target)));
    } else await build();
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
