import { check } from "./errno.ts";
import { AT_FDCWD } from "./fd.ts";
import { cString, libc } from "./libc.ts";

/** The type bits of a file's mode. */
export const FileType = {
  FIFO: 0o010000,
  CHARACTER: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK: 0o060000,
  REGULAR: 0o100000,
  SYMLINK: 0o120000,
  SOCKET: 0o140000,
} as const;

/** A device number of two parts, as the C library packs it. */
export function deviceNumber(major: number, minor: number): bigint {
  const high = BigInt(major >>> 12 << 12 >>> 0);
  return ((high & 0xfffff000n) << 32n) | (BigInt(major & 0xfff) << 8n) |
    (BigInt(minor >>> 8) << 20n) | BigInt(minor & 0xff);
}

/** The two parts of a device number. */
export function deviceParts(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn)),
    minor: Number(((device >> 12n) & 0xffffff00n) | (device & 0xffn)),
  };
}

/**
 * Makes a device node, fifo, socket or empty file. The umask applies to the mode.
 *
 * @param mode One of {@linkcode FileType} with permission bits.
 * @throws {Errno}
 */
export function mknod(path: string, mode: number, device: bigint = 0n): void {
  check(libc().mknodat(AT_FDCWD, cString(path), mode, device), "mknod", path);
}
