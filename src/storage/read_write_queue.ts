import type { LockMode } from "../linux/mod.ts";

interface Waiting {
  readonly mode: LockMode;
  readonly enter: () => void;
}

/** First come, first served; readers that stand side by side go in together. */
export class ReadWriteQueue {
  #readers = 0;
  #writing = false;
  #waiting: Waiting[] = [];

  /** Waits for the turn; disposing the result ends it. */
  async enter(mode: LockMode): Promise<Disposable> {
    if (this.#waiting.length > 0 || !this.#isFree(mode)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push({ mode, enter: resolve });
      await promise;
    } else this.#take(mode);
    return { [Symbol.dispose]: () => this.#leave(mode) };
  }

  #isFree(mode: LockMode): boolean {
    return !this.#writing && (mode === "read" || this.#readers === 0);
  }

  #take(mode: LockMode): void {
    if (mode === "write") this.#writing = true;
    else this.#readers++;
  }

  #leave(mode: LockMode): void {
    if (mode === "write") this.#writing = false;
    else this.#readers--;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#isFree(next.mode)) return;
      this.#take(next.mode);
      this.#waiting.shift();
      next.enter();
    }
  }
}
