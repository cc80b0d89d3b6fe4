import { Buffer } from "node:buffer";
import { check, Errno, isErrno } from "./errno.ts";
import { cString, lastErrno, libc } from "./libc.ts";

/** Flags of open(2); the same on x86-64 and arm64 but for the last two. */
export const OpenFlag = {
  READ: 0,
  WRITE: 1,
  READ_WRITE: 2,
  CREATE: 0o100,
  EXCLUSIVE: 0o200,
  TRUNCATE: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  PATH: 0o10000000,
  CLOEXEC: 0o2000000,
  DIRECTORY: Deno.build.arch === "aarch64" ? 0o40000 : 0o200000,
  NOFOLLOW: Deno.build.arch === "aarch64" ? 0o100000 : 0o400000,
} as const;

/** Directory fd that stands for the working directory; absolute paths ignore it. */
export const AT_FDCWD = -100;

/** A file descriptor with one owner. Deno's own files do not tell their numbers. */
export class Fd implements Disposable {
  #number: number;

  /** @param number An open descriptor; this object owns it from now on. */
  constructor(number: number) {
    this.#number = number;
  }

  /** @throws {Error} When it has been closed. */
  get number(): number {
    if (this.#number < 0) throw new Error("the file descriptor is closed");
    return this.#number;
  }

  /** Gives the ownership away; the caller closes the number. */
  release(): number {
    const number = this.number;
    this.#number = -1;
    return number;
  }

  /** Reads what is there, up to `buffer.length` bytes; 0 means the end. */
  read(buffer: Uint8Array<ArrayBuffer>): number {
    return check(libc().read(this.number, buffer, BigInt(buffer.length)), "read", this.#name());
  }

  pread(buffer: Uint8Array<ArrayBuffer>, offset: number): number {
    const length = BigInt(buffer.length);
    return check(
      libc().pread(this.number, buffer, length, BigInt(offset)),
      "pread",
      this.#name(),
    );
  }

  /** Writes all of `data`. */
  write(data: Uint8Array<ArrayBuffer>): void {
    let rest = data;
    while (rest.length > 0) {
      const written = Number(libc().write(this.number, rest, BigInt(rest.length)));
      if (written < 0) {
        const error = new Errno(lastErrno(), "write", this.#name());
        if (error.code === "EINTR") continue;
        throw error;
      }
      rest = rest.subarray(written);
    }
  }

  pwrite(data: Uint8Array<ArrayBuffer>, offset: number): number {
    const length = BigInt(data.length);
    return check(
      libc().pwrite(this.number, data, length, BigInt(offset)),
      "pwrite",
      this.#name(),
    );
  }

  truncate(size: number): void {
    check(libc().ftruncate(this.number, BigInt(size)), "ftruncate", this.#name());
  }

  /** Waits in a thread until data and metadata are on the disk. */
  sync(): Promise<void> {
    return this.#flush("fsync");
  }

  /** As {@linkcode Fd.sync}, without what is not needed to read the data back. */
  dataSync(): Promise<void> {
    return this.#flush("fdatasync");
  }

  /** Waits in a thread until the whole file system that the file is on is written. */
  syncFileSystem(): Promise<void> {
    return this.#flush("syncfs");
  }

  [Symbol.dispose](): void {
    if (this.#number < 0) return;
    libc().close(this.#number);
    this.#number = -1;
  }

  async #flush(syscall: "fsync" | "fdatasync" | "syncfs"): Promise<void> {
    // errno stays in the thread: EIO is what a failed flush means in practice.
    if (await libc()[syscall](this.number) < 0) throw new Errno(5, syscall, this.#name());
  }

  #name(): string {
    return `fd ${this.#number}`;
  }
}

/**
 * Opens a file; it is always closed on exec.
 *
 * @param flags Of {@linkcode OpenFlag}.
 * @throws {Errno}
 */
export function open(path: string, flags: number, mode = 0o600): Fd {
  return openAt(AT_FDCWD, path, flags, mode);
}

/**
 * Opens a file below a directory descriptor. The path may leave the directory: use
 * `openInRoot` for what cannot be trusted.
 *
 * @throws {Errno}
 */
export function openAt(
  directory: number,
  path: string | Uint8Array,
  flags: number,
  mode = 0o600,
): Fd {
  const name = cString(path);
  for (;;) {
    const fd = libc().openat(directory, name, flags | OpenFlag.CLOEXEC, mode);
    if (fd >= 0) return new Fd(fd);
    const error = new Errno(lastErrno(), "open", String(path));
    if (!isErrno(error, "EINTR")) throw error;
  }
}

/** The path that a descriptor was opened by, as the kernel sees it now. */
export function pathOf(fd: Fd): string {
  return readLink(`/proc/self/fd/${fd.number}`);
}

/** Reads a symbolic link, also those of /proc, which Deno closes to isolates with narrow permissions. */
export function readLink(path: string): string {
  const buffer = new Uint8Array(4096);
  const size = check(
    libc().readlinkat(AT_FDCWD, cString(path), buffer, BigInt(buffer.length)),
    "readlink",
    path,
  );
  return new TextDecoder().decode(buffer.subarray(0, size));
}

/** Flushes everything written to the file system that holds `path`, in a thread. */
export async function syncFileSystem(path: string): Promise<void> {
  using fd = open(path, OpenFlag.READ);
  await fd.syncFileSystem();
}

/**
 * Reads from the current position to the end.
 *
 * @throws {RangeError} When there are more than `limit` bytes.
 */
export function readToEnd(file: Fd, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(16 * 1024);
    const count = file.read(chunk);
    if (count === 0) return new Uint8Array(Buffer.concat(chunks, size));
    chunks.push(chunk.subarray(0, count));
    size += count;
    if (size > limit) throw new RangeError(`the file has more than ${limit} bytes`);
  }
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Keeps a descriptor that somebody else owns from the programs that are started from now on. */
export function closeOnExec(number: number): void {
  check(libc().fcntlNumber(number, F_SETFD, FD_CLOEXEC), "fcntl", String(number));
}
