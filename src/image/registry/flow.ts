import type { HttpResponse } from "./transport.ts";

/** When a blob is fetched over several connections, and how. */
export interface WideningPolicy {
  /** Bytes that must be left to be worth it. */
  readonly least: number;
  /** Bytes that are looked at before anything is said of a connection. */
  readonly sample: number;
  /** A connection is slow for which the reader waits so many times longer than it for the reader. */
  readonly slow: number;
  /** Bytes of one request. With the number of connections: what such a download holds in memory. */
  readonly segment: number;
  readonly connections: number;
  /** Such downloads at a time. */
  readonly downloads: number;
}

export const DEFAULT_WIDENING: WideningPolicy = {
  least: 32 * 1024 * 1024,
  sample: 8 * 1024 * 1024,
  slow: 3,
  segment: 4 * 1024 * 1024,
  connections: 4,
  downloads: 2,
};

/** Watches who waits for whom while a blob arrives. */
export class Flow {
  readonly #size: number;
  readonly #policy: WideningPolicy;
  #ranges = false;
  #stayWithOne = false;
  #bytes = 0;
  /** Milliseconds that the reader has waited for bytes, and the bytes for the reader. */
  #arriving = 0;
  #reading = 0;
  #since = 0;

  constructor(size: number, policy: WideningPolicy) {
    this.#size = size;
    this.#policy = policy;
  }

  /** An answer's body begins. */
  begins({ status, headers }: HttpResponse): void {
    this.#ranges = status === 206 || headers.get("accept-ranges") === "bytes";
    this.#bytes = this.#arriving = this.#reading = 0;
    this.#since = performance.now();
  }

  /** Bytes have come. */
  came(bytes: number): void {
    this.#bytes += bytes;
    this.#arriving += this.#lap();
  }

  /** The reader has taken them. */
  taken(): void {
    this.#reading += this.#lap();
  }

  stayWithOne(): void {
    this.#stayWithOne = true;
  }

  /** Whether more connections would help, and the server gives ranges. */
  isSlow(offset: number): boolean {
    return this.#ranges && !this.#stayWithOne && this.#size - offset >= this.#policy.least &&
      this.#bytes >= this.#policy.sample && this.#arriving > this.#policy.slow * this.#reading;
  }

  #lap(): number {
    const now = performance.now();
    const milliseconds = now - this.#since;
    this.#since = now;
    return milliseconds;
  }
}
