import { constants } from "node:os";
import { lastErrno, libc } from "./libc.ts";

/** Where two names share a number the first in the alphabet counts: EAGAIN, ENOTSUP. */
const NAMES = new Map(
  Object.entries(constants.errno).sort().reverse().map(([name, number]) => [number, name]),
);

/** A system call that failed. */
export class Errno extends Error {
  override readonly name = "Errno";
  /** `"ENOENT"` and the like; `"E<number>"` for one without a name. */
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  /** @param subject What it was called on, for the message: a path, a pid. */
  constructor(errno: number, syscall: string, subject: string) {
    const code = NAMES.get(errno) ?? `E${errno}`;
    super(`${syscall} ${subject}: ${errnoText(errno)} (${code})`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Whether `error` says one of `codes`, be it an {@linkcode Errno} or an error of `node:fs`. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

/**
 * Passes a result through.
 *
 * @throws {Errno} When it is negative.
 */
export function check(
  result: number | bigint,
  syscall: string,
  subject: string | Uint8Array,
): number {
  if (result >= 0) return Number(result);
  throw new Errno(lastErrno(), syscall, pathText(subject));
}

/** A path for people: bytes that are not UTF-8 are shown as U+FFFD. */
export function pathText(path: string | Uint8Array): string {
  return typeof path === "string" ? path : new TextDecoder().decode(path).replace(/\0$/, "");
}

/** The C library's sentence for an error number. */
export function errnoText(errno: number): string {
  const pointer = libc().strerror(errno);
  return pointer === null ? "unknown error" : Deno.UnsafePointerView.getCString(pointer);
}
