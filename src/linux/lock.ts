import { abortable } from "../failure/mod.ts";
import { Errno, isErrno } from "./errno.ts";
import { Fd, open, OpenFlag } from "./fd.ts";
import { lastErrno, libc } from "./libc.ts";

const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;

/** Shared for readers, exclusive for a writer. */
export type LockMode = "read" | "write";

/**
 * A record lock on a whole file, owned by its open file description (fcntl(2), F_OFD_SETLK).
 *
 * It excludes the POSIX locks that Go programs take, in both directions, and unlike those it is not
 * lost when someone in this process closes another descriptor of the file. flock(2), which is what
 * Deno offers, excludes neither. The descriptor is closed on exec: a child that inherited it would
 * keep the lock.
 */
export class OfdLock implements Disposable {
  /** The locked file, open for reading, and for writing when the file allows it. */
  readonly fd: Fd;

  private constructor(fd: Fd) {
    this.fd = fd;
  }

  /**
   * Locks the file, which is made (0644) when missing, and waits as long as that takes. The wait
   * is in a thread, in the kernel's queue: fair to others and free of polling.
   *
   * @throws The signal's reason, or {@linkcode Errno}.
   */
  static async acquire(path: string, mode: LockMode, signal?: AbortSignal): Promise<OfdLock> {
    signal?.throwIfAborted();
    const fd = openLockFile(path, mode);
    let waiting: Promise<unknown> = Promise.resolve();
    try {
      while (!trySet(fd, mode, path)) {
        // Its result is not asked for: errno stays in that thread, and the next try tells.
        waiting = libc().fcntlLockInThread(fd.number, F_OFD_SETLKW, REQUESTS[mode]);
        await abortable(waiting, signal);
      }
      return new OfdLock(fd);
    } catch (error) {
      // The thread may still be on its way into the kernel, where the number must not be another file's.
      void waiting.finally(() => fd[Symbol.dispose]());
      throw error;
    }
  }

  /** Locks the file if nobody is in the way. @throws {Errno} */
  static tryAcquire(path: string, mode: LockMode): OfdLock | undefined {
    const fd = openLockFile(path, mode);
    try {
      if (trySet(fd, mode, path)) return new OfdLock(fd);
    } catch (error) {
      fd[Symbol.dispose]();
      throw error;
    }
    fd[Symbol.dispose]();
    return undefined;
  }

  /** Unlocks. */
  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}

function openLockFile(path: string, mode: LockMode): Fd {
  try {
    return open(path, OpenFlag.READ_WRITE | OpenFlag.CREATE, 0o644);
  } catch (error) {
    // A store on a read-only file system can still be read under a read lock.
    if (mode === "read" && isErrno(error, "EROFS", "EACCES")) return open(path, OpenFlag.READ);
    throw error;
  }
}

function trySet(fd: Fd, mode: LockMode, path: string): boolean {
  if (libc().fcntlLock(fd.number, F_OFD_SETLK, REQUESTS[mode]) >= 0) return true;
  const error = new Errno(lastErrno(), "lock", path);
  if (isErrno(error, "EAGAIN", "EACCES", "EINTR")) return false;
  throw error;
}

/** Kept for good: nothing but this holds the memory that a waiting thread reads. */
const REQUESTS: Readonly<Record<LockMode, Uint8Array<ArrayBuffer>>> = {
  read: flock(0),
  write: flock(1),
};

/** struct flock of 64-bit Linux: l_type i16, l_whence i16, l_start i64 @8, l_len i64 @16, l_pid. */
function flock(type: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setInt16(0, type, true);
  return bytes;
}
