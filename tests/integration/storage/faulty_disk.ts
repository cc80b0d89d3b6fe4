/**
 * Programs whose disk fails at a chosen step (faulty_disk.c).
 *
 * @module
 */
import { join } from "@std/path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("faulty_disk.c", import.meta.url));
const LIBRARY = "CRID_TEST_FAULTY_DISK";

/** `full`: what needs room fails. `dead`: nothing changes any more, as after kill -9. */
export type DiskFailure = "full" | "dead";

/** The disk of this process, below one directory. */
export interface FaultyDisk {
  /** The change of this number and all after it fail; 0 counts only. */
  arm(root: string, from: number, how: DiskFailure): void;
  /** The disk works again. @returns How many changes were asked for. */
  disarm(): number;
}

/** In a process that {@linkcode runOnFaultyDisk} has started: its disk. */
export function faultyDisk(): FaultyDisk {
  const { symbols } = Deno.dlopen(Deno.env.get(LIBRARY)!, {
    faulty_disk_arm: { parameters: ["buffer", "i64", "i32"], result: "void" },
    faulty_disk_disarm: { parameters: [], result: "i64" },
  });
  return {
    arm: (root, from, how) =>
      symbols.faulty_disk_arm(
        new TextEncoder().encode(`${root}\0`),
        BigInt(from),
        how === "full" ? 0 : 1,
      ),
    disarm: () => Number(symbols.faulty_disk_disarm()),
  };
}

/** Runs a module on a disk that it may let fail. @returns What it printed. @throws When it fails. */
export async function runOnFaultyDisk(module: string, args: readonly string[]): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "crid-faulty-" });
  try {
    const library = join(directory, "faulty_disk.so");
    const options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library];
    await output("gcc", [...options, SOURCE, "-ldl"], {});
    // In memory: thousands of syncs would wait for the real disk.
    const env = { LD_PRELOAD: library, [LIBRARY]: library, TMPDIR: "/dev/shm" };
    return await output(Deno.execPath(), ["run", "-A", module, ...args], env);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function output(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const result = await new Deno.Command(command, { args: [...args], env }).output();
  const text = new TextDecoder();
  if (!result.success) throw new Error(`${command}: ${text.decode(result.stderr)}`);
  return text.decode(result.stdout);
}
