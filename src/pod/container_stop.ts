import { CridError, errorMessage, Timer } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container } from "./container.ts";
import { reconcile } from "./container_exit.ts";
import { thaw } from "./container_pause.ts";
import type { PodContext } from "./context.ts";
import { programCatching, signalNumber, signalProcess } from "./signals.ts";

const SIGKILL = 9;
const SIGTERM = 15;
/** How often it is looked whether the stop signal has found a handler; nothing announces one. */
const HANDLER_WAIT_MS = 50;
/** How long a container's first program may take to become another one. */
const SETTLED_MS = 2_000;
/** After the first kill; doubled each time, up to the longest. */
const FIRST_KILL_WAIT_MS = 20;
const LONGEST_KILL_WAIT_MS = 10_000;

/**
 * Stops a container: its stop signal, and SIGKILL when the time is up, again and again until it is
 * gone. Stops at the same time share one loop and can only shorten its deadline. Whoever has waited
 * finds its end saved, nothing of it running and its mounts gone, also after a crash.
 *
 * @param timeout Seconds between the signal and the kill.
 * @throws {CridError} `deadline_exceeded` when it still runs long after it was killed; the loop goes on.
 */
export async function stopContainer(
  context: PodContext,
  container: Container,
  timeout: number,
): Promise<void> {
  if (container.exit === undefined && container.init !== undefined) {
    const deadline = performance.now() + timeout * 1000;
    if (container.stop === undefined) {
      container.stop = new StopLoop(context, container, deadline);
      container.stop.done.finally(() => container.stop = undefined).catch(() => {});
    } else container.stop.shorten(deadline);
    const { done } = container.stop;
    await inTime(done, container.id, timeout, context.options.stopTimeout);
  }
  await container.settled;
}

/** What hangs in the kernel cannot be killed: nobody is to wait for it for ever. */
async function inTime(
  done: Promise<void>,
  id: string,
  timeout: number,
  stopTimeout: number,
): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  using _limit = new Timer((timeout + stopTimeout) * 1000, () => {
    reject(
      new CridError(
        "deadline_exceeded",
        `stop container ${id}: it still runs ${stopTimeout} s after it was killed ` +
          "(ctr_stop_timeout); its processes may hang in the kernel, on storage that is gone",
      ),
    );
  });
  await Promise.race([done, late]);
}

/** The one loop that stops a container. */
export class StopLoop {
  /** Resolves when the container has exited. */
  readonly done: Promise<void>;
  readonly #context: PodContext;
  readonly #container: Container;
  #deadline: number;
  #timer: Timer | undefined;
  #timeUp = Promise.withResolvers<void>();

  constructor(context: PodContext, container: Container, deadline: number) {
    this.#context = context;
    this.#container = container;
    this.#deadline = deadline;
    this.done = this.#run();
  }

  /** Ends the grace period at `deadline` if that is earlier. */
  shorten(deadline: number): void {
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#arm();
  }

  async #run(): Promise<void> {
    const container = this.#container;
    const signal = signalNumber(container.parts.stopSignal) ?? SIGTERM;
    this.#arm();
    try {
      await thaw(this.#context, container);
      // A process that was never started obeys nothing.
      if (container.startedAt !== 0n && this.#deadline > performance.now()) {
        await Promise.race([this.#askToStop(signal), this.#timeUp.promise]);
        if (container.exit === undefined) {
          log.warn(
            `Stopping container ${container.id} with stop signal(${signal}) timed out. Killing...`,
          );
        }
      }
      await this.#kill();
    } finally {
      this.#timer?.[Symbol.dispose]();
    }
  }

  /**
   * Sends the stop signal and waits for the end. The kernel drops a signal for which the first
   * process of a PID namespace has no handler, and the runtime, which is that process until it
   * becomes the container's program, swallows it. So the signal is sent again when there is a
   * handler, and when the handler that got it belongs to a program that is there no more.
   */
  async #askToStop(signal: number): Promise<void> {
    const { init, exited } = this.#container;
    if (init === undefined) return await exited;
    let heardBy = programCatching(init, signal);
    this.#signal(signal);
    while (await this.#stillRuns(HANDLER_WAIT_MS)) {
      const program = programCatching(init, signal);
      if (program === undefined) continue;
      if (program !== heardBy) this.#signal(signal);
      else if (this.#hasSettled()) break;
      heardBy = program;
    }
    await exited;
  }

  /** Whether it has run for so long that it is what it was meant to become. */
  #hasSettled(): boolean {
    return Date.now() - Number(this.#container.startedAt / 1_000_000n) > SETTLED_MS;
  }

  async #stillRuns(milliseconds: number): Promise<boolean> {
    await exitedWithin(this.#container, milliseconds);
    return this.#container.exit === undefined && performance.now() < this.#deadline;
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    const left = Math.max(0, this.#deadline - performance.now());
    this.#timer = new Timer(left, () => this.#timeUp.resolve());
  }

  async #kill(): Promise<void> {
    const container = this.#container;
    let wait = FIRST_KILL_WAIT_MS;
    while (container.exit === undefined) {
      container.killing = true;
      await thaw(this.#context, container);
      this.#signal(SIGKILL);
      await exitedWithin(container, wait);
      // The monitor may be gone, and with it the announcement of the exit.
      if (wait > FIRST_KILL_WAIT_MS) await reconcile(this.#context, container);
      wait = Math.min(wait * 2, LONGEST_KILL_WAIT_MS);
    }
  }

  #signal(signal: number): void {
    const { init, exit, id } = this.#container;
    if (exit !== undefined || init === undefined) return;
    try {
      signalProcess(init, signal);
    } catch (error) {
      log.warn(`signal ${signal} to container ${id}: ${errorMessage(error)}`, { id });
    }
  }
}

async function exitedWithin(container: Container, milliseconds: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([
    container.exited,
    new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds)),
  ]);
  clearTimeout(timer);
}
