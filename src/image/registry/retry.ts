/** How often and how patiently requests are repeated. */
export interface RetryPolicy {
  /** Attempts in all for an answer of 429. */
  readonly throttledAttempts: number;
  /** First delay after a 429 without `Retry-After`; it doubles each time. */
  readonly throttledDelayMs: number;
  /** The longest delay; a registry that asks for more is given up. */
  readonly maxDelayMs: number;
  /** Attempts in all for a failing server, and for one piece of a blob that breaks off. */
  readonly attempts: number;
  readonly delayMs: number;
  /** The longest wait for the beginning of an answer, and for a small document as a whole. */
  readonly answerMs: number;
  /** The longest silence within a blob before the connection counts as broken. */
  readonly stallMs: number;
  /** A blob that brings nothing for this long in spite of all attempts is given up; 0 never. */
  readonly progressMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  throttledAttempts: 5,
  throttledDelayMs: 2_000,
  maxDelayMs: 60_000,
  attempts: 4,
  delayMs: 500,
  answerMs: 60_000,
  stallMs: 30_000,
  progressMs: 0,
};

/**
 * Waits.
 *
 * @throws The signal's reason when it aborts.
 */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** The milliseconds that a `Retry-After` header asks for: seconds or a date; `undefined` if neither. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
