/** Date.now() counts milliseconds; the finer part comes from a clock that knows no time of day. */
let origin = Date.now() - performance.now();

/**
 * Milliseconds since the Unix epoch, with their fraction. Right also when the time of day was set since
 * the start, as it is on a node that boots without a clock.
 */
export function preciseTime(): number {
  const milliseconds = Date.now();
  const time = origin + performance.now();
  if (Math.abs(time - milliseconds) <= 1) return time;
  origin = milliseconds - performance.now();
  return milliseconds;
}

/** Now, in nanoseconds since the Unix epoch, to the microsecond. */
export function now(): bigint {
  return BigInt(Math.round(preciseTime() * 1e3)) * 1000n;
}
