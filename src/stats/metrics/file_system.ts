import { lstatSync } from "node:fs";
import {
  deviceParts,
  type FileSystemInfo,
  mountInfo,
  readKernelLink,
  statfs,
} from "../../linux/mod.ts";

/** The file system that a directory is on. */
export interface FileSystem extends FileSystemInfo {
  /** `/dev/sda1`, or its mount's source when there is no such device: `tmpfs`. */
  readonly device: string;
}

/** Figures of the file system below a directory; `undefined` when that is gone. */
export function fileSystemOf(directory: string): FileSystem | undefined {
  try {
    const { dev } = lstatSync(directory, { bigint: true });
    return { ...statfs(directory), device: mountSource(dev) };
  } catch {
    return undefined;
  }
}

/** The name of a block device by its numbers: `sda`, or `8:0` when nothing has them. */
export function deviceName(major: number, minor: number): string {
  const link = readKernelLink(`/sys/dev/block/${major}:${minor}`);
  return link === undefined ? `${major}:${minor}` : `/dev/${link.slice(link.lastIndexOf("/") + 1)}`;
}

/** Sources of mounted file systems by device number; a number stays with its file system. */
const sources = new Map<bigint, string>();

function mountSource(device: bigint): string {
  const known = sources.get(device);
  if (known !== undefined) return known;
  const { major, minor } = deviceParts(device);
  const numbers = `${major}:${minor}`;
  const source = mountInfo().find((mount) => mount.device === numbers)?.source ?? numbers;
  sources.set(device, source);
  return source;
}
