import { check, Errno, isErrno } from "./errno.ts";
import { cString, lastErrno, libc } from "./libc.ts";

/** The kernel's own limit on a value and on a list of names (XATTR_SIZE_MAX). */
const MAX_VALUE = 65536;

/** Sets an extended attribute; symbolic links are not followed. @throws {Errno} */
export function lsetxattr(path: string, name: string, value: Uint8Array | string): void {
  const bytes = new Uint8Array(
    typeof value === "string" ? new TextEncoder().encode(value) : value,
  );
  check(
    libc().lsetxattr(cString(path), cString(name), bytes, BigInt(bytes.length), 0),
    "lsetxattr",
    `${path} ${name}`,
  );
}

/** An extended attribute, or `undefined`; symbolic links are not followed. @throws {Errno} */
export function lgetxattr(path: string, name: string): Uint8Array | undefined {
  const buffer = new Uint8Array(MAX_VALUE);
  const size = libc().lgetxattr(cString(path), cString(name), buffer, BigInt(buffer.length));
  if (size >= 0) return buffer.slice(0, Number(size));
  const error = new Errno(lastErrno(), "lgetxattr", `${path} ${name}`);
  if (isErrno(error, "ENODATA", "ENOTSUP", "EOPNOTSUPP")) return undefined;
  throw error;
}

/** The names of all extended attributes; symbolic links are not followed. @throws {Errno} */
export function llistxattr(path: string): string[] {
  const buffer = new Uint8Array(MAX_VALUE);
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
