const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i;

const FACTORS: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * Reads an amount of memory: `12MiB`, `500k`, `1.5G`, `12582912`. Units are powers of 1024, with or
 * without `B` or `iB`, in any case.
 *
 * @returns Bytes.
 * @throws {Error} `invalid size: "x"`.
 */
export function parseBytes(text: string): number {
  const [, amount, unit] = SIZE.exec(text.trim()) ?? [];
  if (amount === undefined) throw new Error(`invalid size: ${JSON.stringify(text)}`);
  return Math.floor(Number(amount) * 1024 ** FACTORS[unit!.toLowerCase()]!);
}

/** Whether {@linkcode parseBytes} can read it. */
export function isBytes(text: string): boolean {
  return SIZE.test(text.trim());
}

/** A container needs this much to get through its own start, unless its handler says otherwise. */
export const USUAL_MINIMUM = "12MiB";

/**
 * The smallest memory limit that a handler's containers may have.
 *
 * @returns Bytes. An amount that cannot be read counts as not set.
 */
export function minimumMemory(handler: { readonly container_min_memory: string }): number {
  const text = handler.container_min_memory;
  return parseBytes(isBytes(text) ? text : USUAL_MINIMUM);
}
