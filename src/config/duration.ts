/** Milliseconds of each unit that Go's durations know. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Reads a duration as Go does: `1h30m`, `1.5s`, `-200ms`, `0`.
 *
 * @returns Milliseconds.
 * @throws {Error} with the text that Go gives: `time: invalid duration "x"`.
 */
export function parseDuration(text: string): number {
  const [, sign, rest] = /^([+-]?)(.*)$/s.exec(text)!;
  if (rest === "0") return 0;
  const parts = [...rest!.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy)];
  const length = parts.reduce((sum, part) => sum + part[0].length, 0);
  if (length === 0 || length !== rest!.length) {
    throw new Error(`time: invalid duration ${JSON.stringify(text)}`);
  }
  const total = parts.reduce((sum, part) => sum + Number(part[1]) * UNITS[part[2]!]!, 0);
  return sign === "-" ? -total : total;
}

/** Writes milliseconds as Go does: `0s`, `1.5s`, `1h30m0s`, `200ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0) return "-" + formatDuration(-milliseconds);
  if (milliseconds === 0) return "0s";
  if (milliseconds < 1e-3) return `${round(milliseconds * 1e6)}ns`;
  if (milliseconds < 1) return `${round(milliseconds * 1e3)}µs`;
  if (milliseconds < 1000) return `${round(milliseconds)}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = `${round(milliseconds % 60_000 / 1000)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** Nine digits, Go's nanoseconds, without the noise of binary fractions. */
function round(value: number): number {
  return Number(value.toFixed(9));
}
