import { CridError } from "../../failure/mod.ts";

/** One call being answered. */
interface RunningCall {
  readonly path: string;
  readonly kind: "unary" | "stream";
  /** Milliseconds on the monotonic clock. */
  readonly since: number;
  /** Ends the call from the server's side. */
  readonly abort: (reason: CridError) => void;
}

/** The calls whose answers are not sent yet, so that a shutdown can wait for them. */
export class RunningCalls {
  readonly #calls = new Set<RunningCall>();
  readonly #idle = Promise.withResolvers<void>();
  #closing: CridError | undefined;

  /** @returns What to call when the call is over. */
  enter(call: RunningCall): () => void {
    this.#calls.add(call);
    if (this.#closing !== undefined) queueMicrotask(() => call.abort(this.#closing!));
    return () => {
      this.#calls.delete(call);
      if (this.#closing !== undefined && this.#calls.size === 0) this.#idle.resolve();
    };
  }

  /**
   * Ends the streams, which may last for ever, gives the others `milliseconds` to finish, and then
   * tells the remaining ones to stop waiting. New calls are told at once.
   */
  async close(milliseconds: number): Promise<void> {
    const reason = new CridError("unavailable", "crid is shutting down; try again later");
    this.#closing = reason;
    for (const call of [...this.#calls]) if (call.kind === "stream") call.abort(reason);
    if (this.#calls.size === 0) return;
    const timer = Promise.withResolvers<void>();
    const id = setTimeout(timer.resolve, milliseconds);
    await Promise.race([this.#idle.promise, timer.promise]);
    clearTimeout(id);
    for (const call of [...this.#calls]) call.abort(reason);
    // So that those who were waiting can say so to their clients.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /**
   * For the operator: what is being waited for, the oldest first. The word that scripts look for in
   * CRI-O's answer is in the first line.
   */
  describe(): string {
    const now = performance.now();
    const lines = Array.from(
      this.#calls,
      ({ path, since }) => `${path} for ${((now - since) / 1000).toFixed(3)} s`,
    );
    return [`${lines.length} calls running (crid has no goroutines)`, ...lines].join("\n");
  }
}
