/**
 * Files of the kernel: /proc, /sys and whatever else Deno keeps from an isolate with narrowed rights.
 *
 * Deno 2.9 answers NotCapable for every path below /proc and /sys unless the isolate holds all
 * permissions there are, whatever its read and write lists say. So these go through libc. The calls
 * are synchronous: the kernel makes such files up in memory, in microseconds.
 *
 * @module
 */
import { CridError } from "../failure/mod.ts";
import { errnoText } from "./errno.ts";
import { AT_FDCWD } from "./fd.ts";
import { cString, lastErrno, libc } from "./libc.ts";

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_TRUNC = 0o1000;
const AT_REMOVEDIR = 0x200;
const O_CLOEXEC = 0o2000000;
const ENOENT = 2;
const ESRCH = 3;
const EEXIST = 17;
const ENODEV = 19;
const ENOTDIR = 20;
/** What a kernel file answers once its process, cgroup or device is gone. */
const GONE: ReadonlySet<number> = new Set([ENOENT, ESRCH, ENODEV, ENOTDIR]);
const DT_DIR = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Shared by all calls: they are synchronous, and nothing of it outlives one. */
const buffer = new Uint8Array(64 * 1024);
const bufferView = new DataView(buffer.buffer);

/** A system call on a kernel file failed. */
export class KernelFileError extends CridError {
  /** The number, as in errno(3). */
  readonly errno: number;

  constructor(doing: string, path: string, errno: number) {
    super("internal", `${doing} ${path}: ${errnoText(errno)}`);
    this.errno = errno;
  }
}

/**
 * The whole text of a kernel file; `undefined` when it is not there, or what it tells of is gone.
 *
 * @throws {KernelFileError} for every other failure.
 */
export function readKernelFile(path: string): string | undefined {
  const fd = libc().openat(AT_FDCWD, cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return goneOrThrow("open", path);
  try {
    let text = "";
    let rest: Uint8Array[] | undefined;
    for (;;) {
      const size = Number(libc().read(fd, buffer, BigInt(buffer.length)));
      if (size < 0) return goneOrThrow("read", path);
      if (size === 0) break;
      // Most files end with their first read: decode in place, collect only what is longer.
      if (text === "" && rest === undefined && size < buffer.length) {
        text = decoder.decode(buffer.subarray(0, size));
      } else (rest ??= [encoder.encode(text)]).push(buffer.slice(0, size));
    }
    return rest === undefined ? text : decodeAll(rest);
  } finally {
    libc().close(fd);
  }
}

/**
 * Writes `text` with one write(2), as kernel files want it.
 *
 * @throws {KernelFileError}
 */
export function writeKernelFile(path: string, text: string): void {
  const fd = openForWriting(path, O_WRONLY | O_TRUNC);
  try {
    const bytes = encoder.encode(text);
    if (Number(libc().write(fd, bytes, BigInt(bytes.length))) < 0) fail("write", path);
  } finally {
    libc().close(fd);
  }
}

/**
 * {@linkcode writeKernelFile} on another thread, for files whose write can sleep for many
 * milliseconds. The write must be one that may be made twice: errno belongs to the thread that
 * failed, so a failure is found out by writing again on this one.
 *
 * @throws {KernelFileError}
 */
export async function writeSlowKernelFile(path: string, text: string): Promise<void> {
  const fd = openForWriting(path);
  try {
    const bytes = encoder.encode(text);
    const written = await libc().writeInThread(fd, bytes, BigInt(bytes.length));
    if (Number(written) < 0 && Number(libc().write(fd, bytes, BigInt(bytes.length))) < 0) {
      fail("write", path);
    }
  } finally {
    libc().close(fd);
  }
}

/**
 * Asks a kernel file that answers what is written to it, as those of selinuxfs do. A NUL at the end
 * of the answer is left out.
 *
 * @throws {KernelFileError} Often with EINVAL (22) for a question that has no answer.
 */
export function askKernelFile(path: string, question: string): string {
  const fd = openForWriting(path, O_RDWR);
  try {
    const bytes = encoder.encode(question);
    if (Number(libc().write(fd, bytes, BigInt(bytes.length))) < 0) fail("write", path);
    const size = Number(libc().pread(fd, buffer, BigInt(buffer.length), 0n));
    if (size < 0) fail("read", path);
    return decoder.decode(buffer.subarray(0, size)).replace(/\0+$/, "");
  } finally {
    libc().close(fd);
  }
}

/** An entry of a kernel directory. */
export interface KernelEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/**
 * What a kernel directory holds; `undefined` when it is not there any more.
 *
 * @throws {KernelFileError} for every other failure.
 */
export function listKernelDirectory(path: string): readonly KernelEntry[] | undefined {
  const fd = libc().openat(AT_FDCWD, cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return goneOrThrow("open", path);
  try {
    const entries: KernelEntry[] = [];
    for (;;) {
      const size = Number(libc().getdents64(fd, buffer, BigInt(buffer.length)));
      if (size < 0) return goneOrThrow("list", path);
      if (size === 0) return entries;
      // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, then the name and NUL.
      for (let at = 0; at < size;) {
        const length = bufferView.getUint16(at + 16, true);
        const end = buffer.indexOf(0, at + 19);
        const name = decoder.decode(buffer.subarray(at + 19, end));
        if (name !== "." && name !== "..") {
          entries.push({ name, isDirectory: buffer[at + 18] === DT_DIR });
        }
        at += length;
      }
    }
  } finally {
    libc().close(fd);
  }
}

/**
 * Makes one directory; one that is there already is fine.
 *
 * @returns Whether it was made now.
 * @throws {KernelFileError}
 */
export function makeKernelDirectory(path: string): boolean {
  if (libc().mkdirat(AT_FDCWD, cString(path), 0o755) === 0) return true;
  if (lastErrno() === EEXIST) return false;
  return fail("make", path);
}

/**
 * Removes one directory; one that is gone already is fine.
 *
 * @throws {KernelFileError} with errno EBUSY (16) for a cgroup in use.
 */
export function removeKernelDirectory(path: string): void {
  if (libc().unlinkat(AT_FDCWD, cString(path), AT_REMOVEDIR) !== 0) goneOrThrow("remove", path);
}

/**
 * The target of a link such as /proc/1/fd/0; `undefined` when it is gone.
 *
 * @throws {KernelFileError} for every other failure.
 */
export function readKernelLink(path: string): string | undefined {
  const size = Number(libc().readlinkat(AT_FDCWD, cString(path), buffer, BigInt(buffer.length)));
  if (size < 0) return goneOrThrow("read the link", path);
  return decoder.decode(buffer.subarray(0, size));
}

/** Whether there is anything at `path`. */
export function kernelFileExists(path: string): boolean {
  return libc().faccessat(AT_FDCWD, cString(path), 0, 0) === 0;
}

function openForWriting(path: string, access = O_WRONLY): number {
  const fd = libc().openat(AT_FDCWD, cString(path), access | O_CLOEXEC, 0);
  return fd < 0 ? fail("open", path) : fd;
}

function decodeAll(chunks: readonly Uint8Array[]): string {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return decoder.decode(whole);
}

function goneOrThrow(doing: string, path: string): undefined {
  const number = lastErrno();
  if (!GONE.has(number)) throw new KernelFileError(doing, path, number);
}

function fail(doing: string, path: string): never {
  throw new KernelFileError(doing, path, lastErrno());
}
