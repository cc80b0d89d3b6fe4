/**
 * The Deno runtime as files: the program, its loader and the libraries it is linked with.
 *
 * @module
 */
import { basename } from "@std/path";

/** A dynamic ELF program and everything it needs of a C library. */
export interface DynamicProgram {
  readonly program: string;
  readonly loader: string;
  readonly libraries: readonly string[];
}

/**
 * Finds what `program` is linked with on this machine.
 *
 * @throws {Error} when a library is missing, or when the program is not dynamic.
 */
export async function findRuntime(program: string): Promise<DynamicProgram> {
  const { success, stdout, stderr } = await new Deno.Command("ldd", {
    args: [program],
    env: { LC_ALL: "C" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(`ldd ${program}: ${text}${new TextDecoder().decode(stderr)}`.trim());
  }
  const libraries: string[] = [];
  let loader: string | undefined;
  for (const line of text.split("\n")) {
    if (line.includes("not found")) throw new Error(`ldd ${program}: ${line.trim()}`);
    const path = line.match(/(\/\S+) \(0x/)?.[1];
    if (path === undefined) continue;
    if (basename(path).startsWith("ld-linux")) loader = path;
    else libraries.push(path);
  }
  if (loader === undefined) throw new Error(`${program} names no loader: not a glibc program`);
  return { program, loader, libraries: libraries.sort() };
}
