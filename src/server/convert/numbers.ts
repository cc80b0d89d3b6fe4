/**
 * 64-bit numbers of the wire and plain numbers of the domain. Figures above 2^53 lose their last
 * digits, which no limit or counter here minds; what would not fit into the field is clamped.
 *
 * @module
 */
import { CridError } from "../../failure/mod.ts";

const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;
/** The id -1 means "do not change" to the kernel, so it is nobody's. */
const MAX_ID = 2n ** 32n - 2n;

/** The last number below 2^63: what JSON makes of a greater one is none that Go reads. */
const MAX_NUMBER = 2 ** 63 - 1024;

/** A limit of a request. */
export function toNumber(value: bigint): number {
  return Math.max(-MAX_NUMBER, Math.min(Number(value), MAX_NUMBER));
}

/** A figure for an int64 field. */
export function toInt64(value: number): bigint {
  if (!Number.isFinite(value)) return 0n;
  const whole = BigInt(Math.trunc(value));
  return whole > MAX_INT64 ? MAX_INT64 : whole < -MAX_INT64 ? -MAX_INT64 : whole;
}

/** A figure for a uint64 field. */
export function toUint64(value: number): bigint {
  if (!Number.isFinite(value) || value <= 0) return 0n;
  const whole = BigInt(Math.trunc(value));
  return whole > MAX_UINT64 ? MAX_UINT64 : whole;
}

/**
 * A user or group id.
 *
 * @throws {CridError} `invalid_argument` for what the kernel could not take as one.
 */
export function toId(value: bigint, what: string): number {
  if (value < 0n || value > MAX_ID) {
    throw new CridError("invalid_argument", `${what} ${value} is not an id from 0 to ${MAX_ID}`);
  }
  return Number(value);
}

/** Seconds of a time limit; negative ones mean none, as 0 does. */
export function toSeconds(value: bigint): number {
  return value <= 0n ? 0 : Number(value);
}
