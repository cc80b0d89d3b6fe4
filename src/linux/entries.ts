/**
 * Making the entries of a directory that is held open, by names that are plain bytes. For whoever
 * writes whole trees: numbers in place of objects, no copy of a name, and no look-up of a path
 * again for each entry.
 *
 * Names end in NUL ({@linkcode entryName}) and have no slash; none of the calls follows a link.
 * All throw {@linkcode Errno}.
 */
import { Buffer } from "node:buffer";
import { check, Errno } from "./errno.ts";
import { OpenFlag } from "./fd.ts";
import { lastErrno, libc } from "./libc.ts";
import { openat2 } from "./rooted.ts";

/** The name of one entry, NUL at its end. */
export type EntryName = Uint8Array<ArrayBuffer>;

const NOFOLLOW = 0x100;
const REMOVE_DIRECTORY = 0x200;
const EINTR = 4;

/** @param latin1 One character for each byte of the name. */
export function entryName(latin1: string): EntryName {
  const name = new Uint8Array(latin1.length + 1);
  for (let i = 0; i < latin1.length; i++) name[i] = latin1.charCodeAt(i);
  return name;
}

/**
 * Opens the directory at `path` inside the root descriptor `root` and returns its number; links on
 * the way are resolved as if the root were `/`.
 */
export function openDirectoryInRoot(root: number, path: EntryName): number {
  const flags = OpenFlag.PATH | OpenFlag.DIRECTORY;
  const number = openat2(root, path, flags, 0);
  if (number >= 0) return number;
  throw new Errno(-number, "open directory", nameText(path));
}

/** Makes an empty file and returns its descriptor's number. Fails if there is anything already. */
export function makeFile(directory: number, name: EntryName): number {
  const flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE | OpenFlag.NOFOLLOW |
    OpenFlag.CLOEXEC;
  return check(libc().openat(directory, name, flags, 0o600), "create", name);
}

export function makeDirectory(directory: number, name: EntryName, mode: number): void {
  check(libc().mkdirat(directory, name, mode), "mkdir", name);
}

export function makeSymlink(directory: number, name: EntryName, target: EntryName): void {
  check(libc().symlinkat(target, directory, name), "symlink", name);
}

/** @param mode With the type bits of a device or fifo. */
export function makeNode(
  directory: number,
  name: EntryName,
  mode: number,
  device: bigint,
): void {
  check(libc().mknodat(directory, name, mode, device), "mknod", name);
}

export function makeHardLink(
  fromDirectory: number,
  from: EntryName,
  directory: number,
  name: EntryName,
): void {
  check(libc().linkat(fromDirectory, from, directory, name, 0), "link", name);
}

export function removeEntry(
  directory: number,
  name: EntryName,
  kind: "file" | "directory",
): void {
  const flags = kind === "directory" ? REMOVE_DIRECTORY : 0;
  check(libc().unlinkat(directory, name, flags), "unlink", name);
}

export function setOwner(directory: number, name: EntryName, uid: number, gid: number): void {
  check(libc().fchownat(directory, name, uid, gid, NOFOLLOW), "chown", name);
}

/** Not for links, which have no mode. */
export function setMode(directory: number, name: EntryName, mode: number): void {
  check(libc().fchmodat(directory, name, mode, 0), "chmod", name);
}

/** Sets both times of an entry. */
export function setTime(directory: number, name: EntryName, time: FileTime): void {
  check(libc().utimensat(directory, name, timespecs(time), NOFOLLOW), "utimens", name);
}

/** Seconds since the Unix epoch, maybe before it, and nanoseconds of the second. */
export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Owner, mode and times of a file that is held open, in the order that keeps its set-id bits. */
export function finishFile(
  file: number,
  owner: { readonly uid: number; readonly gid: number },
  mode: number,
  time: FileTime,
): void {
  check(libc().fchown(file, owner.uid, owner.gid), "fchown", `fd ${file}`);
  check(libc().fchmod(file, mode), "fchmod", `fd ${file}`);
  check(libc().futimens(file, timespecs(time)), "futimens", `fd ${file}`);
}

/** Writes all of `data`. */
export function writeAll(file: number, data: Uint8Array<ArrayBuffer>): void {
  let rest = data;
  while (rest.length > 0) {
    const written = Number(libc().write(file, rest, BigInt(rest.length)));
    if (written >= 0) rest = rest.subarray(written);
    else if (lastErrno() !== EINTR) throw new Errno(lastErrno(), "write", `fd ${file}`);
  }
}

/** @throws {Errno} When what was written could not be kept, as on a full disk. */
export function closeFile(file: number): void {
  check(libc().close(file), "close", `fd ${file}`);
}

const times = new BigInt64Array(4);
const timesBytes = new Uint8Array(times.buffer);

/** `struct timespec[2]`; the caller's call is over before the next one begins. */
function timespecs(time: FileTime): Uint8Array<ArrayBuffer> {
  times[0] = times[2] = BigInt(time.seconds);
  times[1] = times[3] = BigInt(time.nanoseconds);
  return timesBytes;
}

function nameText(name: EntryName): string {
  return Buffer.from(name.subarray(0, -1)).toString();
}
