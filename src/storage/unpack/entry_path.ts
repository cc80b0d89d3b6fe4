import { badArchive, shown } from "./tar_header.ts";

/** Longest path that the kernel takes. */
const MAX_PATH = 4095;

/**
 * An entry's path inside the layer, cleaned: no leading slash, no empty, `.` or `..` parts. The
 * layer's root is `""`.
 *
 * @param name One character for each byte.
 * @throws {CridError} `invalid_argument` when it leads out of the layer.
 */
export function cleanPath(name: string): string {
  if (isClean(name)) return name;
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw badArchive(`entry ${shown(name)} leaves the layer`);
  }
  const path = parts.join("/");
  if (path.length > MAX_PATH) throw badArchive(`entry ${shown(name)}: the path is too long`);
  return path;
}

/** Most names are clean but for a slash at the end of directories; say so without splitting them. */
function isClean(name: string): boolean {
  return name.length > 0 && name.length <= MAX_PATH && !/^\/|\/$|(^|\/)(\.{0,2})(\/|$)/.test(name);
}

/** The directory that a cleaned path is in, `""` for the root, and the name in it. */
export function splitPath(path: string): readonly [directory: string, name: string] {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? ["", path] : [path.slice(0, slash), path.slice(slash + 1)];
}
