import { readKernelFile } from "../linux/mod.ts";

/** No limit: v1 writes the largest multiple of the page size, v2 the word `max`. */
const UNLIMITED = 2 ** 60;

/** The number in a file; 0 when the file is missing, or says that there is no limit. */
export function readNumber(path: string): number {
  return limitedNumber(readKernelFile(path));
}

/** {@linkcode readNumber} of a text already read. */
export function limitedNumber(text: string | undefined): number {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 && value < UNLIMITED ? value : 0;
}

/** The count in a file as a whole number of any size; `undefined` when the file is missing. */
export function readBigInt(path: string): bigint | undefined {
  const text = readKernelFile(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

/** Values of a `name value` file by name. */
export class KeyedValues {
  readonly #values = new Map<string, string>();

  constructor(text: string) {
    for (const line of text.split("\n")) {
      const blank = line.indexOf(" ");
      if (blank > 0) this.#values.set(line.slice(0, blank), line.slice(blank + 1));
    }
  }

  number(name: string): number {
    return Number(this.#values.get(name) ?? 0);
  }

  bigint(name: string): bigint {
    return BigInt(this.#values.get(name) ?? 0);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }
}

/** A `name value` file; empty when it is missing. */
export function readKeyed(path: string): KeyedValues {
  return new KeyedValues(readKernelFile(path) ?? "");
}

/** The smaller of two limits, where 0 is no limit. */
export function tighter(one: number, other: number): number {
  if (one === 0 || other === 0) return one + other;
  return Math.min(one, other);
}

/** What v2 has for v1's shares, as runtimes calculate it. */
export function weightOfShares(shares: number): number {
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262144) - 2) * 9999) / 262142);
}

/** The way back of {@linkcode weightOfShares}; 0 for no weight. */
export function sharesOfWeight(weight: number): number {
  return weight === 0 ? 0 : Math.round(2 + ((weight - 1) * 262142) / 9999);
}
