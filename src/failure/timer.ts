/** The runtime's timers count in 32 bits: one that is asked for more goes off at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `work` once when the time is over, be it months; disposing it stops the clock. */
export class Timer implements Disposable {
  #id: ReturnType<typeof setTimeout> | undefined;

  constructor(milliseconds: number, work: () => void) {
    this.#wait(milliseconds, work);
  }

  #wait(milliseconds: number, work: () => void): void {
    const rest = milliseconds - LONGEST_MS;
    this.#id = rest > 0
      ? setTimeout(() => this.#wait(rest, work), LONGEST_MS)
      : setTimeout(work, milliseconds);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#id);
  }
}
