/**
 * Subvolumes of btrfs: directories that are made as copies of others at once, and deleted at once.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { basename, dirname } from "@std/path";
import { check } from "./errno.ts";
import { type Fd, open, OpenFlag } from "./fd.ts";
import { libc } from "./libc.ts";
import { lstatIfThere } from "./stat.ts";
import { FsMagic, statfs } from "./statfs.ts";

// The requests of <linux/btrfs.h>; the arguments of all of them have 4096 bytes.
const SUBVOL_CREATE = 0x5000_940en;
const SNAP_DESTROY = 0x5000_940fn;
const SNAP_CREATE_V2 = 0x5000_9417n;
const ARGUMENT_BYTES = 4096;
/** Where the name of the subvolume is in them. */
const NAME_AT = 8;
const SNAPSHOT_NAME_AT = 56;
/** Every subvolume's root directory has it, and nothing else. */
const ROOT_INODE = 256n;

/** Whether `path` is on a btrfs file system. @throws {Errno} */
export function isBtrfs(path: string): boolean {
  return statfs(path).type === FsMagic.BTRFS;
}

/** Whether `path` is a subvolume's own directory; nothing there is none. @throws {Errno} */
export function isSubvolume(path: string): boolean {
  return lstatIfThere(path)?.inode === ROOT_INODE && isBtrfs(path);
}

/** Makes an empty subvolume. @throws {Errno} */
export function createSubvolume(path: string): void {
  using parent = openDirectory(dirname(path));
  request(parent, SUBVOL_CREATE, named(path, NAME_AT), path);
}

/** Makes `to` a copy of the subvolume `from` that shares all blocks with it. @throws {Errno} */
export function snapshotSubvolume(from: string, to: string): void {
  using source = openDirectory(from);
  using parent = openDirectory(dirname(to));
  const argument = named(to, SNAPSHOT_NAME_AT);
  new DataView(argument.buffer).setBigInt64(0, BigInt(source.number), true);
  request(parent, SNAP_CREATE_V2, argument, to);
}

/**
 * Deletes a subvolume with all that is in it; the kernel frees the blocks later.
 *
 * @throws {Errno} `ENOTEMPTY` when there are subvolumes in it.
 */
export function deleteSubvolume(path: string): void {
  using parent = openDirectory(dirname(path));
  request(parent, SNAP_DESTROY, named(path, NAME_AT), path);
}

function openDirectory(path: string): Fd {
  return open(path, OpenFlag.READ | OpenFlag.DIRECTORY);
}

function named(path: string, at: number): Uint8Array<ArrayBuffer> {
  const argument = new Uint8Array(ARGUMENT_BYTES);
  argument.set(Buffer.from(basename(path)), at);
  return argument;
}

function request(
  directory: Fd,
  number: bigint,
  argument: Uint8Array<ArrayBuffer>,
  path: string,
): void {
  check(libc().ioctl(directory.number, number, argument), "ioctl", path);
}
