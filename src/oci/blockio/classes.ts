/**
 * The file of block I/O classes (`blockio_config_file`), in the format that CRI-O shares with others:
 *
 * ```yaml
 * Classes:
 *   slow:
 *     - Weight: 80
 *     - Devices: [/dev/vd*, /dev/disk/by-id/*SSD*]
 *       ThrottleReadBps: 60M
 *       ThrottleWriteIOPS: 10k
 * ```
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { parseQuantity } from "../../config/mod.ts";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { parseYaml } from "../cdi/yaml.ts";

/** Limits for some devices, or a weight for all that no other rule names. */
export interface BlockioRule {
  /** Patterns of paths; empty for all devices. */
  readonly devices: readonly string[];
  /** 10 to 1000. */
  readonly weight: number | undefined;
  /** Bytes, or operations, a second. */
  readonly rates: ReadonlyMap<RateName, number>;
}

/** Names of the OCI runtime spec, by those of the file. */
export const RATES = {
  ThrottleReadBps: "throttleReadBpsDevice",
  ThrottleWriteBps: "throttleWriteBpsDevice",
  ThrottleReadIOPS: "throttleReadIOPSDevice",
  ThrottleWriteIOPS: "throttleWriteIOPSDevice",
} as const;

export type RateName = typeof RATES[keyof typeof RATES];

/** @throws {CridError} `invalid_argument`, naming the file. */
export function readBlockioClasses(file: string): ReadonlyMap<string, readonly BlockioRule[]> {
  try {
    return parseBlockioClasses(readFileSync(file, "utf8"));
  } catch (error) {
    throw new CridError("invalid_argument", `blockio_config_file ${file}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/** @throws {CridError} `invalid_argument`. */
export function parseBlockioClasses(text: string): ReadonlyMap<string, readonly BlockioRule[]> {
  const value = parseYaml(text);
  const classes = isRecord(value) ? value["Classes"] : undefined;
  if (!isRecord(classes)) throw invalid("it has no Classes");
  return new Map(
    Object.entries(classes).map(([name, rules]) => {
      if (!Array.isArray(rules)) throw invalid(`class ${name} is not a list`);
      return [name, rules.map((rule) => readRule(name, rule))];
    }),
  );
}

function readRule(name: string, rule: unknown): BlockioRule {
  const refuse = (why: string) => invalid(`class ${name}: ${why}`);
  if (!isRecord(rule)) throw refuse("one of its items has no names");
  const devices = rule["Devices"] ?? [];
  const isList = Array.isArray(devices) && devices.every((each) => typeof each === "string");
  if (!isList) throw refuse("Devices is not a list of paths");
  const rates = new Map<RateName, number>();
  let weight: number | undefined;
  for (const [key, value] of Object.entries(rule)) {
    if (key === "Devices") continue;
    const number = parseQuantity(String(value));
    if (key === "Weight") {
      weight = number;
      if (weight < 10 || weight > 1000) throw refuse(`Weight ${weight} is not between 10 and 1000`);
    } else if (Object.hasOwn(RATES, key)) {
      if (devices.length === 0) throw refuse(`${key} has no Devices`);
      rates.set(RATES[key as keyof typeof RATES], number);
    } else throw refuse(`${key} is none of Devices, Weight, ${Object.keys(RATES).join(", ")}`);
  }
  return { devices, weight, rates };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(why: string): CridError {
  return new CridError("invalid_argument", why);
}
