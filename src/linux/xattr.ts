import { check, Errno, isErrno, pathText } from "./errno.ts";
import { cString, lastErrno, libc } from "./libc.ts";

/** The kernel's own limit on a value and on a list of names (XATTR_SIZE_MAX). */
const MAX_VALUE = 65536;
const ENODATA = 61;
const ENOTSUP = 95;
/** Shared by all calls: they are synchronous, and nothing of it outlives one. */
const buffer = new Uint8Array(MAX_VALUE);

/** Sets an extended attribute; symbolic links are not followed. @throws {Errno} */
export function lsetxattr(
  path: string | Uint8Array,
  name: string,
  value: Uint8Array | string,
): void {
  const bytes = new Uint8Array(
    typeof value === "string" ? new TextEncoder().encode(value) : value,
  );
  check(
    libc().lsetxattr(cString(path), cString(name), bytes, BigInt(bytes.length), 0),
    "lsetxattr",
    `${pathText(path)} ${name}`,
  );
}

/** An extended attribute, or `undefined`; symbolic links are not followed. @throws {Errno} */
export function lgetxattr(path: string | Uint8Array, name: string): Uint8Array | undefined {
  const size = libc().lgetxattr(cString(path), cString(name), buffer, BigInt(buffer.length));
  if (size >= 0) return buffer.slice(0, Number(size));
  const errno = lastErrno();
  // Met at every file of a tree: without the cost of an error.
  if (errno === ENODATA || errno === ENOTSUP) return undefined;
  throw new Errno(errno, "lgetxattr", `${pathText(path)} ${name}`);
}

/** The names of all extended attributes; symbolic links are not followed. @throws {Errno} */
export function llistxattr(path: string): string[] {
  const size = check(
    libc().llistxattr(cString(path), buffer, BigInt(buffer.length)),
    "llistxattr",
    path,
  );
  const text = new TextDecoder().decode(buffer.subarray(0, size));
  return text.split("\0").filter((name) => name !== "");
}

/** Removes an extended attribute if it is there. @throws {Errno} */
export function lremovexattr(path: string, name: string): void {
  if (libc().lremovexattr(cString(path), cString(name)) >= 0) return;
  const error = new Errno(lastErrno(), "lremovexattr", `${path} ${name}`);
  if (!isErrno(error, "ENODATA")) throw error;
}
