/**
 * Waits for the end of processes: one epoll instance and one thread for all of them.
 *
 * A thread per process would fill the pool that the runtime's file operations share (512 threads);
 * polling would burn CPU. Here a new wait is added to the epoll instance while the thread sleeps.
 */
import { check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLLONESHOT = 1 << 30;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;
const MAX_EVENTS = 64;
/** Unlike on other architectures, struct epoll_event is packed on x86-64. */
const EVENT_SIZE = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;
/** The thread of an isolate that was terminated ends after this time; nothing else waits for it. */
const WAIT_MS = 60_000;
/** The token of the eventfd that wakes the thread up. */
const WAKE = 0;

class ExitWatch {
  readonly #epoll: Fd;
  readonly #wake: Fd;
  /** Memory of the C library: should the isolate die, the thread still has where to write. */
  readonly #events: Deno.PointerObject;
  readonly #waits = new Map<number, () => void>();
  #nextToken = WAKE + 1;
  #running = false;

  constructor() {
    const c = libc();
    this.#epoll = new Fd(check(c.epollCreate(EPOLL_CLOEXEC), "epoll_create1", ""));
    this.#wake = new Fd(check(c.eventfd(0, EFD_CLOEXEC_NONBLOCK), "eventfd", ""));
    const memory = c.malloc(BigInt(MAX_EVENTS * EVENT_SIZE));
    if (memory === null) throw new Error("out of memory");
    this.#events = memory;
    this.#control(EPOLL_CTL_ADD, this.#wake, EPOLLIN, WAKE);
  }

  wait(pidfd: Fd, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    // The same process may be waited for twice, but a descriptor is in an epoll set only once.
    const own = duplicate(pidfd);
    const token = this.#nextToken++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const finish = () => {
      this.#waits.delete(token);
      signal?.removeEventListener("abort", onAbort);
      this.#control(EPOLL_CTL_DEL, own, 0, token);
      own[Symbol.dispose]();
    };
    const onAbort = () => {
      finish();
      reject(signal?.reason);
      if (this.#waits.size === 0) this.#wakeUp();
    };
    try {
      this.#control(EPOLL_CTL_ADD, own, EPOLLIN | EPOLLONESHOT, token);
    } catch (error) {
      own[Symbol.dispose]();
      throw error;
    }
    this.#waits.set(token, () => {
      finish();
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    if (!this.#running) void this.#run();
    return promise;
  }

  /** Runs while anyone waits: the pending call is what keeps the event loop alive. */
  async #run(): Promise<void> {
    this.#running = true;
    const view = new Deno.UnsafePointerView(this.#events);
    while (this.#waits.size > 0) {
      const count = await libc().epollWaitInThread(
        this.#epoll.number,
        this.#events,
        MAX_EVENTS,
        WAIT_MS,
      );
      const tokens: number[] = [];
      for (let i = 0; i < count; i++) {
        tokens.push(Number(view.getBigUint64(i * EVENT_SIZE + DATA_OFFSET)));
      }
      for (const token of tokens) {
        if (token === WAKE) this.#drain();
        else this.#waits.get(token)?.();
      }
    }
    this.#running = false;
  }

  #wakeUp(): void {
    libc().write(this.#wake.number, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8n);
  }

  #drain(): void {
    libc().read(this.#wake.number, new Uint8Array(8), 8n);
  }

  #control(operation: number, fd: Fd, events: number, token: number): void {
    const event = new Uint8Array(EVENT_SIZE);
    const view = new DataView(event.buffer);
    view.setUint32(0, events, true);
    view.setBigUint64(DATA_OFFSET, BigInt(token), true);
    check(
      libc().epollControl(this.#epoll.number, operation, fd.number, event),
      "epoll_ctl",
      String(fd.number),
    );
  }
}

let watch: ExitWatch | undefined;

/** Waits until the process behind `pidfd` has ended. @throws The signal's reason. */
export function watchExit(pidfd: Fd, signal?: AbortSignal): Promise<void> {
  watch ??= new ExitWatch();
  return watch.wait(pidfd, signal);
}

const F_DUPFD_CLOEXEC = 1030;

function duplicate(fd: Fd): Fd {
  return new Fd(check(libc().fcntlNumber(fd.number, F_DUPFD_CLOEXEC, 3), "dup", String(fd.number)));
}
