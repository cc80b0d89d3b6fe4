import { check, isErrno } from "./errno.ts";
import { type EntryName, removeEntry } from "./entries.ts";
import { type Fd, openAt, OpenFlag } from "./fd.ts";
import { libc } from "./libc.ts";
import { FileType } from "./node.ts";
import { type FileStat, lstatAt } from "./stat.ts";

const DENTS_BYTES = 32 * 1024;
const TYPE_BITS = 0o170000;
const DIRECTORY = OpenFlag.READ | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;

/** An entry's name, whatever bytes it is of, and its type as readdir(3) tells it, which may be 0. */
export type DirectoryEntry = readonly [name: EntryName, type: number];

/** The entries of a directory that is open for reading. @throws {Errno} */
export function* readDirectory(directory: Fd): Generator<DirectoryEntry> {
  const buffer = new Uint8Array(DENTS_BYTES);
  for (;;) {
    const size = libc().getdents64(directory.number, buffer, BigInt(buffer.length));
    check(size, "getdents", `fd ${directory.number}`);
    if (Number(size) === 0) return;
    yield* entries(buffer, Number(size));
  }
}

/** Opens the directory of this name, which is no link. @throws {Errno} `ENOTDIR` or `ELOOP` otherwise. */
export function openDirectoryAt(parent: Fd, name: EntryName): Fd {
  return openAt(parent.number, name.subarray(0, -1), DIRECTORY);
}

/** What has this name; `undefined` when there is nothing. @throws {Errno} */
export function lstatAtIfThere(parent: Fd, name: EntryName): FileStat | undefined {
  try {
    return lstatAt(parent.number, name.subarray(0, -1));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

export function isDirectory(file: FileStat | undefined): boolean {
  return file !== undefined && (file.mode & TYPE_BITS) === FileType.DIRECTORY;
}

/** Deletes an entry with all that is in it; nothing there is no error. @throws {Errno} */
export function removeTreeAt(parent: Fd, name: EntryName): void {
  const file = lstatAtIfThere(parent, name);
  if (file === undefined) return;
  if (!isDirectory(file)) return removeEntry(parent.number, name, "file");
  {
    using directory = openDirectoryAt(parent, name);
    for (const [entry] of Array.from(readDirectory(directory))) removeTreeAt(directory, entry);
  }
  removeEntry(parent.number, name, "directory");
}

/** struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, then the name and NUL. */
function* entries(buffer: Uint8Array<ArrayBuffer>, size: number): Generator<DirectoryEntry> {
  const view = new DataView(buffer.buffer);
  for (let at = 0; at < size; at += view.getUint16(at + 16, true)) {
    const name = buffer.slice(at + 19, buffer.indexOf(0, at + 19) + 1);
    if (!isSelfOrParent(name)) yield [name, buffer[at + 18]!];
  }
}

function isSelfOrParent(name: EntryName): boolean {
  const dot = ".".charCodeAt(0);
  return name.length <= 3 && name.subarray(0, -1).every((byte) => byte === dot);
}
