/**
 * What virtual nodes are told to do: shell scripts of `jobs/`, with crid, crictl, critest and a
 * registry's content beside them on the second disk.
 *
 * @module
 */
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { repository } from "../../scripts/build/paths.ts";
import { run } from "../../src/linux/mod.ts";
import { conformanceTools } from "../conformance/build.ts";
import { startRegistry } from "../harness/mod.ts";
import { CONFORMANCE_IMAGES, pushTestImages } from "../images/mod.ts";

const SCRIPTS = fileURLToPath(new URL("jobs/", import.meta.url));
/** Scripts that are no jobs: what jobs share, and what runs them. */
const SHARED = ["node", "start"];
const BUSYBOX_REPOSITORY = "e2e-test-images/busybox";

/** Built programs of packages that only builds and generators start; they are large. */
const HOST_ONLY = ["@bufbuild+buf-linux-*", "dprint-node@*", "@esbuild+*"];
/** What a run of tests needs of the repository, beside `node_modules`. */
const SOURCE = ["deno.json", "deno.lock", "mod.ts", "src", "tests", "scripts"];
/** Tests of `tests/integration/` to which a real node makes a difference. */
const NODE_TESTS = [
  "tests/integration/cgroup",
  "tests/integration/security",
  "tests/integration/isolates/service_manager_test.ts",
];

/** A job by its name, `smoke` for `jobs/smoke.sh`. */
export interface JobSettings {
  readonly name: string;
  readonly manager: "systemd" | "cgroupfs";
  readonly runtime: "runc" | "crun";
  /** The built crid. */
  readonly crid: string;
  /** More variables for the script. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Becomes `/job/script`. */
  readonly script?: string;
}

/** Jobs that pull more than the one small image. */
const ALL_IMAGES = new Set(["critest"]);

/** Names of all jobs. */
export async function jobNames(): Promise<readonly string[]> {
  const entries = await Array.fromAsync(Deno.readDir(SCRIPTS));
  return entries.map(({ name }) => name.replace(/\.sh$/, ""))
    .filter((name) => !SHARED.includes(name)).sort();
}

/** Puts together what goes onto the job's disk, in an empty directory. */
export async function prepareJob(directory: string, settings: JobSettings): Promise<void> {
  const { name, manager, runtime, crid } = settings;
  const variables = {
    ...{ MANAGER: manager, RUNTIME: runtime, PATHS: NODE_TESTS.join(" ") },
    ...settings.variables,
  };
  const quoted = Object.entries(variables)
    .map(([variable, value]) => `${variable}='${value.replaceAll("'", `'\\''`)}'\n`);
  await Deno.writeTextFile(join(directory, "env"), quoted.join(""));
  const start = `#!/bin/sh\nset -a\n. ./env\nset +a\nexec sh ./jobs/${name}.sh\n`;
  await Deno.writeTextFile(join(directory, "run"), start, { mode: 0o755 });
  if (settings.script !== undefined) {
    await Deno.writeTextFile(join(directory, "script"), settings.script);
  }
  await Deno.mkdir(join(directory, "jobs"));
  for await (const script of Deno.readDir(SCRIPTS)) {
    await Deno.copyFile(join(SCRIPTS, script.name), join(directory, "jobs", script.name));
  }
  await Deno.mkdir(join(directory, "bin"));
  if (name === "integration") return await copySource(directory);
  const { crictl, critest, ginkgo } = await conformanceTools();
  const programs = name === "critest" ? [critest, ginkgo] : [];
  for (const program of [crid, crictl, ...programs]) {
    await linkInto(join(directory, "bin"), program);
  }
  await fillRegistry(join(directory, "registry"), ALL_IMAGES.has(name));
}

/** The tests with all they import, and Deno. */
async function copySource(directory: string): Promise<void> {
  const source = join(directory, "source");
  await linkInto(join(directory, "bin"), await Deno.realPath(Deno.execPath()));
  await Deno.mkdir(source);
  const exclude = HOST_ONLY.map((name) => `--exclude=node_modules/.deno/${name}`).join(" ");
  const what = [...SOURCE, "node_modules"].join(" ");
  const { code, stderr } = await run("sh", [
    "-c",
    `tar -C '${repository}' -c ${exclude} ${what} | tar -C '${source}' -x`,
  ]);
  if (code !== 0) throw new Error(`copy the source: ${new TextDecoder().decode(stderr)}`);
}

/** The disk is made of a copy; a link spares another. */
async function linkInto(directory: string, program: string): Promise<void> {
  const target = join(directory, program.slice(program.lastIndexOf("/") + 1));
  await Deno.link(program, target).catch(() => Deno.copyFile(program, target));
}

async function fillRegistry(storage: string, all: boolean): Promise<void> {
  await using registry = await startRegistry({ storage });
  const repositories = CONFORMANCE_IMAGES.map(({ repository }) => repository);
  await pushTestImages(registry.url, all ? repositories : [BUSYBOX_REPOSITORY]);
}
