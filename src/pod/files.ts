import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Replaces a file in one step, so that a reader and a restart see the old text or the new one.
 *
 * Not synced: what it holds is worthless after a power loss, which ends all containers. So it goes no
 * further than memory, in less time than it would take to ask a thread for it.
 */
export function writeFileAtomic(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * {@linkcode readFileIfAny} at once. A restart reads some files for each container, while nobody waits
 * for anything else: a thread for each of these reads would take several times as long.
 */
export function readSavedFile(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** A file's text, or `undefined` when there is none. */
export async function readFileIfAny(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes a file or a tree; nothing there is no error. */
export async function removeIfAny(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
