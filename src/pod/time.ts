export { now } from "../observe/mod.ts";

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/** Nanoseconds since the Unix epoch as RFC 3339, UTC, without losing the nanoseconds. */
export function toRfc3339(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / NANOSECONDS_PER_MILLISECOND));
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  return date.toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}

/** Reads what {@linkcode toRfc3339} and Go write; `0n` for anything else, and for Go's zero time. */
export function fromRfc3339(text: string): bigint {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = Date.parse(`${match?.[1]}${match?.[3]}`);
  // CRI-O writes what has not happened yet as the year 1.
  if (match === null || !(seconds > 0)) return 0n;
  const fraction = BigInt((match[2] ?? "").padEnd(9, "0").slice(0, 9));
  return BigInt(seconds) * NANOSECONDS_PER_MILLISECOND + fraction;
}
