import { dirname } from "@std/path";

/** Everybody may pass through, nobody new may look. */
const PASS = 0o111;

/**
 * Lets the root of a user namespace pass through the directories that lead to `path`: the runtime
 * sets a mapped container up with that root's rights, and the storage root is closed to it.
 */
export async function makeAccessible(path: string): Promise<void> {
  for (let at = dirname(path); at !== "/" && at !== "."; at = dirname(at)) {
    const { mode } = await Deno.stat(at);
    if (mode !== null && (mode & PASS) !== PASS) await Deno.chmod(at, (mode & 0o7777) | PASS);
  }
}
