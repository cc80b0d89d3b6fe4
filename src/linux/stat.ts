import { constants } from "node:os";
import { Errno, pathText } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { cString, lastErrno, libc } from "./libc.ts";

/** What is known of a file. */
export interface FileStat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Bytes that it takes on the disk. */
  readonly allocated: number;
  readonly inode: bigint;
  readonly links: number;
  /** Seconds. */
  readonly modified: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

const { ENOENT, ENOTDIR } = constants.errno;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;

/** What is at `path`, the link itself if it is one; `undefined` when there is nothing. @throws {Errno} */
export function lstatIfThere(path: string): FileStat | undefined {
  return tryStatx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW) ?? failIfThere(path);
}

/** What `path` leads to, also below /proc, /sys and /dev. @throws {Errno} */
export function stat(path: string): FileStat {
  return statx(AT_FDCWD, path, 0);
}

/** The open file itself. @throws {Errno} */
export function statFd(fd: Fd): FileStat {
  return statx(fd.number, "", AT_EMPTY_PATH);
}

/** What is at `name` below a directory, links not followed. @throws {Errno} */
export function lstatAt(directory: number, name: string | Uint8Array): FileStat {
  return statx(directory, name, AT_SYMLINK_NOFOLLOW);
}

/** The id of the mount that `path` is on: it differs from the parent directory's at a mount point. */
export function mountId(path: string): bigint {
  const buffer = new Uint8Array(256);
  const result = libc().statx(AT_FDCWD, cString(path), 0, STATX_MNT_ID, buffer);
  if (result < 0) throw new Errno(lastErrno(), "statx", path);
  return new DataView(buffer.buffer).getBigUint64(144, true);
}

/** Nothing there is an everyday answer, which an error made for it would cost ten times as much. */
function failIfThere(path: string): undefined {
  const errno = lastErrno();
  if (errno !== ENOENT && errno !== ENOTDIR) throw new Errno(errno, "statx", path);
}

function statx(directory: number, path: string | Uint8Array, flags: number): FileStat {
  const stat = tryStatx(directory, path, flags);
  if (stat === undefined) throw new Errno(lastErrno(), "statx", pathText(path));
  return stat;
}

/** `undefined` when it fails; errno tells why. */
function tryStatx(
  directory: number,
  path: string | Uint8Array,
  flags: number,
): FileStat | undefined {
  const buffer = new Uint8Array(256);
  const result = libc().statx(directory, cString(path), flags, STATX_BASIC_STATS, buffer);
  if (result < 0) return undefined;
  const view = new DataView(buffer.buffer);
  return {
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    inode: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    allocated: Number(view.getBigUint64(48, true)) * 512,
    modified: Number(view.getBigInt64(112, true)) + view.getUint32(120, true) / 1e9,
    rdevMajor: view.getUint32(128, true),
    rdevMinor: view.getUint32(132, true),
    devMajor: view.getUint32(136, true),
    devMinor: view.getUint32(140, true),
  };
}
