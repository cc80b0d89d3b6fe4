/**
 * Build results by what they were made from, under `.cache/images/` of the work tree. Tests run in
 * parallel, so every file is written beside its place and renamed in.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { join } from "@std/path";

const CACHE = fileURLToPath(new URL("../../.cache/images/", import.meta.url));

/** A name for whatever `parts` describe. */
export function cacheKey(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

/** Where the cached file `name` is or will be. */
export function cachePath(name: string): string {
  return join(CACHE, name);
}

/** The path of the cached file `name`; `make` writes it when it is not there yet. */
export async function cachedFile(
  name: string,
  make: (path: string) => Promise<void>,
): Promise<string> {
  const path = cachePath(name);
  try {
    await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await putFile(name, make);
  }
  return path;
}

/** Writes the cached file `name` anew. */
export async function putFile(name: string, make: (path: string) => Promise<void>): Promise<void> {
  await Deno.mkdir(CACHE, { recursive: true });
  const temporary = await Deno.makeTempFile({ dir: CACHE, prefix: ".new-" });
  try {
    await make(temporary);
    await Deno.rename(temporary, cachePath(name));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
