/**
 * The few programs that no package has: compiled once, static.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { run } from "../../src/linux/mod.ts";
import { cachedFile, cacheKey } from "./cache.ts";

const COMPILERS = ["musl-gcc", "gcc"] as const;
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror"];

/** The executable made from `programs/<name>.c`. */
export async function compiled(name: "pause" | "nnp"): Promise<Uint8Array> {
  const source = fileURLToPath(new URL(`programs/${name}.c`, import.meta.url));
  const key = cacheKey(await Deno.readTextFile(source), Deno.build.arch, ...FLAGS);
  const path = await cachedFile(`${name}-${key}`, (output) => compile(source, output));
  return await Deno.readFile(path);
}

async function compile(source: string, output: string): Promise<void> {
  const failures: string[] = [];
  for (const compiler of COMPILERS) {
    try {
      const { code, stderr } = await run(compiler, [...FLAGS, "-o", output, source]);
      if (code === 0) return;
      failures.push(`${compiler}: ${new TextDecoder().decode(stderr)}`);
    } catch (error) {
      failures.push(String(error));
    }
  }
  throw new Error(`compile ${source}: ${failures.join("; ")} (install musl-tools or gcc)`);
}
