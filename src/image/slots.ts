import { abortable } from "../failure/mod.ts";

/** A limited number of places; who finds none waits in line. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Takes a place; disposing gives it back.
   *
   * @throws The signal's reason when it aborts first.
   */
  async take(signal: AbortSignal): Promise<Disposable> {
    while (this.#free === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      try {
        await abortable(promise, signal);
      } finally {
        this.#waiting.delete(resolve);
      }
    }
    signal.throwIfAborted();
    this.#free--;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#free++;
        // All look again: one that has been aborted must not swallow the only wake-up.
        for (const wake of this.#waiting) wake();
      },
    };
  }
}
