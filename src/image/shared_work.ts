import { CridError } from "../failure/mod.ts";

interface Running<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Work that is done once for all who ask for it at the same time. One who leaves does not stop the
 * others; the last one to leave stops the work and waits for its end, so that nothing is left half undone.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, Running<T>>();

  /**
   * Joins the work of this key, or begins it.
   *
   * @param begin Does the work; its signal aborts when nobody waits any more.
   * @throws What the work throws, or the reason of `signal`.
   */
  async run(
    key: string,
    begin: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    return await this.#wait(key, this.#running.get(key) ?? this.#begin(key, begin), signal);
  }

  /** The result of the work of this key if it is under way. */
  join(key: string, signal?: AbortSignal): Promise<T> | undefined {
    const running = this.#running.get(key);
    return running && this.#wait(key, running, signal);
  }

  async #wait(key: string, running: Running<T>, signal: AbortSignal | undefined): Promise<T> {
    running.waiters++;
    if (signal === undefined) return await running.promise;
    const left = Promise.withResolvers<never>();
    const leave = () => {
      if (--running.waiters > 0) return left.reject(signal.reason);
      // Whoever comes now must not join what is being taken down.
      if (this.#running.get(key) === running) this.#running.delete(key);
      running.controller.abort(
        new CridError("cancelled", "nobody waits for it any more", { cause: signal.reason }),
      );
      const reject = () => left.reject(signal.reason);
      running.promise.then(reject, reject);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([running.promise, left.promise]);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const running: Running<T> = { promise: begin(controller.signal), controller, waiters: 0 };
    this.#running.set(key, running);
    const end = () => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    };
    running.promise.then(end, end);
    return running;
  }
}
