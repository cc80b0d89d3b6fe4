/**
 * Looks at processes through /proc.
 *
 * @module
 */
import { run } from "../../../src/linux/mod.ts";

/** How many living processes have this text in their command line; arguments end with NUL. */
export async function countProcesses(text: string): Promise<number> {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const { stdout } = await run("cat", [`/proc/${name}/cmdline`]);
    if (new TextDecoder().decode(stdout).includes(text)) count++;
  }
  return count;
}

/** A number from a file of /proc: the first after `key`. */
export async function procNumber(pid: number, file: string, key: string): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/${file}`);
  return Number(text.match(new RegExp(`${key}:?\\s+(\\d+)`))?.[1] ?? NaN);
}

/** How many file descriptors a process has open. */
export function countFds(pid: number): number {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).length;
}
