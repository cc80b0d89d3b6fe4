import { CridError } from "./crid_error.ts";
import { Timer } from "./timer.ts";

/**
 * A time limit as a disposable: the signal aborts when the time is up or when `parent` aborts, and
 * disposing it stops the clock, so that no timer outlives the work it limits.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: Timer;
  readonly #parent: AbortSignal | undefined;
  readonly #onParentAbort = () => this.#controller.abort(this.#parent?.reason);

  /** @param what What is being limited, for the error: `"CNI ADD"`. */
  constructor(what: string, milliseconds: number, parent?: AbortSignal) {
    this.#parent = parent;
    this.#timer = new Timer(milliseconds, () => {
      const seconds = Math.round(milliseconds / 100) / 10;
      this.#controller.abort(
        new CridError("deadline_exceeded", `${what} took longer than ${seconds} s`),
      );
    });
    if (parent?.aborted) this.#onParentAbort();
    else parent?.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  /** Aborts with a {@linkcode CridError} of code `deadline_exceeded`, or with the parent's reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#parent?.removeEventListener("abort", this.#onParentAbort);
  }
}

/** A {@linkcode Deadline} of `milliseconds` for `what`. */
export function deadline(what: string, milliseconds: number, parent?: AbortSignal): Deadline {
  return new Deadline(what, milliseconds, parent);
}

/**
 * Waits for `promise`, but no longer than `signal` allows.
 *
 * The work behind the promise goes on; only the wait ends, and how the work ends then is nobody's news.
 *
 * @throws The signal's reason when it aborts first.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const wait = Promise.withResolvers<T>();
  const onAbort = () => wait.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  promise.then(wait.resolve, wait.reject)
    .finally(() => signal.removeEventListener("abort", onAbort));
  return wait.promise;
}
