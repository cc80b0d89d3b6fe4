/** Below this two readings are too close: the rate of the pair before stays. */
const SHORTEST_SPAN_NS = 500_000_000n;
/** What nobody has asked for in so long has ended, or will start anew. */
const FORGET_AFTER_NS = 600_000_000_000n;
const SWEEP_ABOVE = 256;

interface Reading {
  readonly timestamp: bigint;
  readonly usage: bigint;
  readonly rate: number;
}

/** CPU time used per second, between the last two readings of each cgroup. */
export class CpuRates {
  readonly #last = new Map<string, Reading>();

  /**
   * Takes a reading and returns the rate in nanoseconds per second; 0 for the first one.
   *
   * @param usage Nanoseconds of CPU time used since the cgroup was made.
   */
  next(id: string, timestamp: bigint, usage: bigint): number {
    const last = this.#last.get(id);
    // Also when the time of day was set back.
    if (last === undefined || usage < last.usage || timestamp < last.timestamp) {
      this.#sweep(timestamp);
      this.#last.set(id, { timestamp, usage, rate: 0 });
      return 0;
    }
    const span = timestamp - last.timestamp;
    if (span < SHORTEST_SPAN_NS) return last.rate;
    const rate = Number(((usage - last.usage) * 1_000_000_000n) / span);
    this.#last.set(id, { timestamp, usage, rate });
    return rate;
  }

  forget(id: string): void {
    this.#last.delete(id);
  }

  #sweep(now: bigint): void {
    if (this.#last.size < SWEEP_ABOVE) return;
    for (const [id, { timestamp }] of this.#last) {
      if (now - timestamp > FORGET_AFTER_NS) this.#last.delete(id);
    }
  }
}
