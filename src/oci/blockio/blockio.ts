import type { OciBlockIo } from "../oci_spec.ts";
import { type BlockDevice, blockDevices } from "./block_devices.ts";
import { type BlockioRule, readBlockioClasses } from "./classes.ts";

/** The block I/O classes of the node. */
export interface Blockio {
  /** Limits of a class for the devices that are there; `undefined` when there is no such class. */
  limits(className: string): OciBlockIo | undefined;
}

/**
 * Reads the classes of the node.
 *
 * @param scan When devices are looked for: `once`, or for `each` container again.
 * @throws {CridError} `invalid_argument`.
 */
export function loadBlockio(file: string, scan: "once" | "each"): Blockio {
  const classes = readBlockioClasses(file);
  const known = scan === "each"
    ? undefined
    : new Map(Array.from(classes, ([name, rules]) => [name, limitsOf(rules)]));
  return {
    limits(name) {
      if (known !== undefined) return known.get(name);
      const rules = classes.get(name);
      return rules === undefined ? undefined : limitsOf(rules);
    },
  };
}

function limitsOf(rules: readonly BlockioRule[]): OciBlockIo {
  const limits: OciBlockIo = {};
  for (const { devices: patterns, weight, rates } of rules) {
    if (patterns.length === 0) {
      if (weight !== undefined) limits.weight = weight;
      continue;
    }
    const devices = blockDevices(patterns);
    if (weight !== undefined) {
      const own = devices.map((device) => ({ ...device, weight }));
      limits.weightDevice = [...others(limits.weightDevice, devices), ...own];
    }
    for (const [name, rate] of rates) {
      const own = devices.map((device) => ({ ...device, rate }));
      limits[name] = [...others(limits[name], devices), ...own];
    }
  }
  return limits;
}

/** Of what is said of a device twice the last counts. */
function others<Entry extends BlockDevice>(
  entries: readonly Entry[] | undefined,
  devices: readonly BlockDevice[],
): readonly Entry[] {
  const isOther = (entry: Entry) =>
    devices.every(({ major, minor }) => major !== entry.major || minor !== entry.minor);
  return (entries ?? []).filter(isOther);
}
