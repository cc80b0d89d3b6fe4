import { join } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { FileType, listKernelDirectory, lstatIfThere, stat } from "../../linux/mod.ts";
import type { OciDevice } from "../types.ts";

/** Below /dev these are file systems of their own, which every container has its own of. */
const OWN_IN_CONTAINER = new Set(["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/.udev"]);
/** A container has its own console, and the runtime makes its own ptmx. */
const NOT_A_HOST_DEVICE = new Set(["/dev/console", "/dev/ptmx"]);
const TYPE_BITS = 0o170000;
/** A tree deeper than this below /dev is no tree of devices. */
const MAX_DEPTH = 8;

type Stat = ReturnType<typeof stat>;

/**
 * The node at `path` as it shall be at `place` in the container.
 *
 * @throws {CridError} `invalid_argument` when it is no device; {@linkcode Errno} when it is not there.
 */
export function deviceFrom(path: string, place: string): OciDevice {
  const device = asDevice(stat(path), place);
  if (device !== undefined) return device;
  throw new CridError("invalid_argument", `device ${path}: not a device node`);
}

/** All devices below a directory; links are left out, what they point to is there itself. */
export function devicesBelow(directory: string, depth = 0): OciDevice[] {
  if (depth > MAX_DEPTH) return [];
  return (listKernelDirectory(directory) ?? []).flatMap(({ name }) => {
    const path = join(directory, name);
    if (OWN_IN_CONTAINER.has(path) || NOT_A_HOST_DEVICE.has(path)) return [];
    const found = lstatIfThere(path);
    if (found === undefined) return []; // gone since
    if (isDirectory(found)) return devicesBelow(path, depth + 1);
    const device = asDevice(found, path);
    return device === undefined ? [] : [device];
  });
}

export function isDirectory({ mode }: Stat): boolean {
  return (mode & TYPE_BITS) === FileType.DIRECTORY;
}

function asDevice(found: Stat, path: string): OciDevice | undefined {
  const type = found.mode & TYPE_BITS;
  if (type !== FileType.CHARACTER && type !== FileType.BLOCK) return undefined;
  return {
    path,
    type: type === FileType.CHARACTER ? "c" : "b",
    major: found.rdevMajor,
    minor: found.rdevMinor,
    fileMode: found.mode & 0o7777,
    uid: found.uid,
    gid: found.gid,
  };
}
