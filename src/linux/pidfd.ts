import { Errno, isErrno } from "./errno.ts";
import { watchExit } from "./exit_watch.ts";
import { Fd } from "./fd.ts";
import { lastErrno, libc, SYSCALL } from "./libc.ts";

/** A process that cannot be mistaken for a later one with the same number (pidfd_open(2)). */
export class PidFd implements Disposable {
  readonly pid: number;
  readonly #fd: Fd;

  private constructor(pid: number, fd: Fd) {
    this.pid = pid;
    this.#fd = fd;
  }

  /** @returns `undefined` when there is no such process. @throws {Errno} */
  static open(pid: number): PidFd | undefined {
    const result = libc().sysPidfdOpen(BigInt(SYSCALL.pidfdOpen), BigInt(pid), 0n);
    if (result >= 0) return new PidFd(pid, new Fd(Number(result)));
    const error = new Errno(lastErrno(), "pidfd_open", String(pid));
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }

  /**
   * Waits until the process has ended; a zombie has. Any number of processes share one thread that
   * sleeps in epoll_wait(2).
   *
   * @throws The signal's reason.
   */
  exited(signal?: AbortSignal): Promise<void> {
    return watchExit(this.#fd, signal);
  }

  /** Sends a signal. @returns Whether the process was still there. @throws {Errno} */
  kill(signal: number): boolean {
    const result = libc().sysPidfdSendSignal(
      BigInt(SYSCALL.pidfdSendSignal),
      BigInt(this.#fd.number),
      BigInt(signal),
      null,
      0n,
    );
    if (result >= 0) return true;
    const error = new Errno(lastErrno(), "pidfd_send_signal", String(this.pid));
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }

  /** Whether it is still there; a zombie is, until it is waited for. */
  get alive(): boolean {
    return this.kill(0);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
