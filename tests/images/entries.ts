/**
 * Short names for the entries that layers are made of.
 *
 * @module
 */
import type { TarEntry } from "./tar.ts";

/** What an entry may have besides its path and content. */
export type EntryOptions = Pick<TarEntry, "mode" | "uid" | "gid" | "mtime" | "xattrs">;

export function dir(path: string, options: EntryOptions = {}): TarEntry {
  return { path, type: "dir", ...options };
}

/** A file with a text or bytes in it. */
export function file(
  path: string,
  content: string | Uint8Array = "",
  options: EntryOptions = {},
): TarEntry {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { path, type: "file", content: bytes, ...options };
}

/** A file with mode 0755. */
export function program(path: string, content: string | Uint8Array): TarEntry {
  return file(path, content, { mode: 0o755 });
}

export function symlink(path: string, target: string): TarEntry {
  return { path, type: "symlink", target, mode: 0o777 };
}

/** Unpackers apply a link's own mode and owner to the file, so both have to be those of `target`. */
export function hardlink(path: string, target: string, options: EntryOptions = {}): TarEntry {
  return { path, type: "hardlink", target, ...options };
}

/** A file of this machine at the same path, or at `path`. */
export async function hostFile(source: string, path = source.slice(1)): Promise<TarEntry> {
  const { mode } = await Deno.stat(source);
  return file(path, await Deno.readFile(source), { mode: (mode ?? 0o644) & 0o777 });
}

/** The directories above every entry, each once and before what is in it. */
export function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const seen = new Set<string>();
  const result: TarEntry[] = [];
  for (const entry of entries) {
    const parts = entry.path.replace(/\/$/, "").split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join("/");
      if (!seen.has(parent)) result.push(dir(parent));
      seen.add(parent);
    }
    const path = parts.join("/");
    if (entry.type === "dir" && seen.has(path)) continue;
    seen.add(path);
    result.push(entry);
  }
  return result;
}
