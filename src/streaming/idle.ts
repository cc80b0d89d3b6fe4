/** Looks are rare enough to cost nothing, often enough to be near the limit. */
const LOOKS_PER_LIMIT = 10;

/** Calls `onIdle` when nothing has happened for `limitMs`, which may be infinite. */
export class IdleWatch implements Disposable {
  #last = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  constructor(limitMs: number, onIdle: () => void) {
    if (!Number.isFinite(limitMs)) return;
    this.#timer = setInterval(() => {
      if (performance.now() - this.#last >= limitMs) onIdle();
    }, Math.ceil(limitMs / LOOKS_PER_LIMIT));
  }

  /** Something has happened. */
  touch(): void {
    this.#last = performance.now();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
