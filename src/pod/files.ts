import { existsSync, readFileSync } from "node:fs";

/**
 * Replaces a file in one step, so that a reader and a restart see the old text or the new one.
 *
 * Not synced: what it holds is worthless after a power loss, which ends all containers.
 */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text, { mode: 0o600 });
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfAny(temporary).catch(() => {});
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
