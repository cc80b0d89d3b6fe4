import { CridError } from "../failure/mod.ts";

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Reads a Kubernetes quantity, `10M`, `1.5Gi`, `1e6`, rounded up to a whole number.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function parseQuantity(text: string): number {
  const parts = /^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/.exec(text);
  if (parts === null) {
    throw new CridError("invalid_argument", `${JSON.stringify(text)} is not a quantity like 10M`);
  }
  const [, digits = "0", suffix = ""] = parts;
  const factor = FACTORS[suffix];
  return Math.ceil(factor === undefined ? Number(digits + suffix) : Number(digits) * factor);
}
