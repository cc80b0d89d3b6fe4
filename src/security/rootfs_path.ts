import { lstat, readlink } from "node:fs/promises";
import * as path from "@std/path";
import { CridError } from "../failure/mod.ts";

/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Finds where `inner` is when `root` is `/`: symlinks are followed as the container would follow
 * them, and none of them leads out. Parts that do not exist are kept as they are.
 *
 * Only for a root file system that nobody changes meanwhile: before its container runs.
 *
 * @throws {CridError} `invalid_argument` for a loop of links.
 */
export async function resolveInRootfs(root: string, inner: string): Promise<string> {
  let left = inner.split("/");
  let done: string[] = [];
  let links = 0;
  while (left.length > 0) {
    const [part = "", ...rest] = left;
    left = rest;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const target = await linkTarget(path.join(root, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) {
      throw new CridError(
        "invalid_argument",
        `resolve ${inner}: too many levels of symbolic links`,
      );
    }
    if (target.startsWith("/")) done = [];
    left = [...target.split("/"), ...left];
  }
  return path.join(root, ...done);
}

/** What a symlink says; `undefined` for anything else. */
async function linkTarget(file: string): Promise<string | undefined> {
  try {
    return (await lstat(file)).isSymbolicLink() ? await readlink(file) : undefined;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
