/** So many may do something at a time; who comes too late does without. */
export class Allowance {
  #left: number;

  constructor(count: number) {
    this.#left = count;
  }

  /** Takes one, if there is one left; disposing gives it back. */
  take(): Disposable | undefined {
    if (this.#left === 0) return undefined;
    this.#left--;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#left++;
        held = false;
      },
    };
  }
}
