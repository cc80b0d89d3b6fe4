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
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) |
    (low & 0xffn);
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
