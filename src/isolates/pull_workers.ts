import { log } from "../observe/mod.ts";
import type { PullRole, ToPull } from "./messages.ts";
import { spawnIsolate } from "./spawn.ts";

/** The isolates of pulls that this process has started, by the numbers that `cri` has given them. */
export class PullWorkers implements Disposable {
  readonly #workers = new Map<number, Worker>();
  readonly #onGone: (id: number) => void;

  /** @param onGone Told of each that has died by itself. */
  constructor(onGone: (id: number) => void) {
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#workers.size;
  }

  /**
   * Starts one.
   *
   * @param archives Files and directories that images are to be read from.
   * @returns The port that leads to it; if it dies, that closes.
   */
  start(
    id: number,
    role: PullRole,
    start: Omit<ToPull, "port">,
    archives: readonly string[] = [],
  ): MessagePort {
    const worker = spawnIsolate(role, start.config, archives);
    this.#workers.set(id, worker);
    worker.onerror = (event) => {
      event.preventDefault();
      log.error(`the ${role} isolate has died: ${event.message}`);
      this.release(id);
      this.#onGone(id);
    };
    const { port1, port2 } = new MessageChannel();
    const transfer = start.log.port === undefined ? [port1] : [port1, start.log.port];
    worker.postMessage({ ...start, port: port1 } satisfies ToPull, transfer);
    return port2;
  }

  release(id: number): void {
    this.#workers.get(id)?.terminate();
    this.#workers.delete(id);
  }

  [Symbol.dispose](): void {
    for (const id of Array.from(this.#workers.keys())) this.release(id);
  }
}
