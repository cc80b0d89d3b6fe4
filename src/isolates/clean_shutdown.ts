import { dirname } from "@std/path";
import { open, OpenFlag } from "../linux/mod.ts";

/** Beside the file: it says that whoever ran last keeps the file. */
const SUPPORTED = ".supported";

/** Whether the last run ended without leaving the store in order: a crash, or a power loss. */
export function wasUnclean(path: string): boolean {
  return path !== "" && !exists(path) && exists(path + SUPPORTED);
}

/** From now on an end that is not clean can be told. */
export async function beginRun(path: string): Promise<void> {
  if (path === "") return;
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path + SUPPORTED, "");
  await removeIfThere(path);
}

/** Writes out the store, and then that it is in order. */
export async function endRun(path: string, graphRoot: string): Promise<void> {
  if (path === "") return;
  using root = open(graphRoot, OpenFlag.DIRECTORY);
  await root.syncFileSystem();
  await Deno.writeTextFile(path, "");
  using parent = await Deno.open(dirname(path));
  await parent.sync();
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
