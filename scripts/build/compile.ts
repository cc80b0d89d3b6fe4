/**
 * `deno compile`, where its runtime part (`denort`) can be had.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { PERMISSIONS, RUNTIME_FLAGS } from "./permissions.ts";

/** How long Deno's own site may take to answer before the build goes on without it. */
const PROBE_MS = 1500;

/**
 * Compiles `mod.js` in `directory`, with every other bundle there embedded, to `out`.
 *
 * @throws {Error} with Deno's words.
 */
export async function compile(
  directory: string,
  names: readonly string[],
  out: string,
): Promise<void> {
  const embedded = names.filter((name) => name !== "mod.js");
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--no-check",
      ...RUNTIME_FLAGS,
      ...PERMISSIONS,
      ...embedded.flatMap((name) => ["--include", join(directory, name)]),
      ...["--output", out],
      join(directory, "mod.js"),
    ],
  }).output();
  if (!success) throw new Error(`deno compile: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * Why `deno compile` cannot be used, `undefined` when it can. It needs `denort` of the same version:
 * named by `DENORT_BIN`, beside the `deno` program, in Deno's cache, or downloaded by Deno.
 *
 * @throws {Error} when `DENORT_BIN` is set and names no file.
 */
export async function compileObstacle(): Promise<string | undefined> {
  const named = Deno.env.get("DENORT_BIN");
  if (named !== undefined) {
    if (await isFile(named)) return undefined;
    throw new Error(`DENORT_BIN=${named} is no file`);
  }
  if (await isFile(join(dirname(Deno.execPath()), "denort"))) return undefined;
  const archive = `v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  const cache = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/root", ".cache/deno");
  if (await isFile(join(cache, "dl/release", archive))) return undefined;
  const url = `https://dl.deno.land/release/${archive}`;
  try {
    const { ok, status } = await fetch(url, {
      method: "HEAD",
      signal: AbortSignal.timeout(PROBE_MS),
    });
    return ok ? undefined : `no denort here, and ${url} answers ${status}`;
  } catch {
    return `no denort here, and ${new URL(url).host} cannot be reached`;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
