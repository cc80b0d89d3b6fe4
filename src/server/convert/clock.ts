/** Now, in nanoseconds of the Unix epoch. */
export function now(): bigint {
  const microseconds = (performance.timeOrigin + performance.now()) * 1000;
  return BigInt(Math.trunc(microseconds)) * 1000n;
}
