import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { readKernelFile, writeKernelFile } from "../../linux/mod.ts";

/** Where the kernel has its settings of each CPU, and where the values of before are kept. */
export interface PowerPlaces {
  /** `/sys/devices/system/cpu`. */
  readonly cpus: string;
  /** Gone after a boot, as the settings are. */
  readonly saved: string;
}

/** Settings of a CPU, below its directory. */
export const LATENCY = "power/pm_qos_resume_latency_us";
export const GOVERNOR = "cpufreq/scaling_governor";
const GOVERNORS = "cpufreq/scaling_available_governors";

/**
 * Changes a setting of CPUs, and keeps what it was before.
 *
 * @throws {CridError} `failed_precondition` for a setting that a CPU does not have.
 */
export function setPower(
  cpus: readonly number[],
  setting: string,
  value: string,
  places: PowerPlaces,
): void {
  for (const cpu of cpus) {
    const before = readKernelFile(join(places.cpus, `cpu${cpu}`, setting))?.trim();
    const governors = setting === GOVERNOR &&
      readKernelFile(join(places.cpus, `cpu${cpu}`, GOVERNORS));
    const isKnown = governors === false || governors?.trim().split(/\s+/).includes(value);
    if (before === undefined || !isKnown) {
      throw new CridError("failed_precondition", `CPU ${cpu} cannot have ${setting} = ${value}`);
    }
    const saved = join(places.saved, `cpu${cpu}`, setting);
    if (readKernelFile(saved) === undefined) {
      mkdirSync(dirname(saved), { recursive: true, mode: 0o700 });
      writeFileSync(saved, before);
    }
    writeKernelFile(join(places.cpus, `cpu${cpu}`, setting), value);
  }
}

/** Gives CPUs the setting of before; one that was not changed is left alone. */
export function restorePower(cpus: readonly number[], setting: string, places: PowerPlaces): void {
  for (const cpu of cpus) {
    const saved = join(places.saved, `cpu${cpu}`, setting);
    const before = readKernelFile(saved);
    if (before === undefined) continue;
    writeKernelFile(join(places.cpus, `cpu${cpu}`, setting), before);
    rmSync(saved, { force: true });
  }
}
