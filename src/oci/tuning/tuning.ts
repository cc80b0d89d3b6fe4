import { join } from "@std/path";
import { readKernelFile } from "../../linux/mod.ts";
import { cpuList } from "./cpu_list.ts";
import { allowInterrupts, banInterrupts, type InterruptPlaces } from "./interrupts.ts";
import { GOVERNOR, LATENCY, type PowerPlaces, restorePower, setPower } from "./power.ts";
import type { CpuTuning } from "./request.ts";

/** Where CPUs are tuned. */
export type TuningPlaces = InterruptPlaces & PowerPlaces;

/**
 * Makes a container's CPUs ready for it; its quota is its cgroups' matter.
 *
 * @throws {CridError} When the host cannot do what is asked for; what was done is undone by
 * {@linkcode untuneCpus}.
 */
export async function tuneCpus(tuning: CpuTuning, places: TuningPlaces): Promise<void> {
  const { cpus, latency, governor, interrupts } = tuning;
  if (latency !== undefined) setPower(cpus, LATENCY, latency, places);
  if (governor !== undefined) setPower(cpus, GOVERNOR, governor, places);
  if (interrupts === "anywhere") return;
  const busy = housekeepingCpus(tuning, places);
  await banInterrupts(cpus.filter((cpu) => !busy.includes(cpu)), places);
}

/** Gives the CPUs back as they were, whatever was done to them; can be done twice. */
export async function untuneCpus({ cpus }: CpuTuning, places: TuningPlaces): Promise<void> {
  restorePower(cpus, LATENCY, places);
  restorePower(cpus, GOVERNOR, places);
  await allowInterrupts(cpus, places);
}

/** The CPUs that see to interrupts all the same: the first one, and its siblings of the same core. */
export function housekeepingCpus(
  { cpus, interrupts }: CpuTuning,
  { cpus: root }: PowerPlaces,
): readonly number[] {
  if (interrupts !== "housekeeping") return [];
  const first = Math.min(...cpus);
  const core = readKernelFile(join(root, `cpu${first}`, "topology/thread_siblings_list"));
  const siblings = core === undefined ? [first] : cpuList(core);
  return cpus.filter((cpu) => siblings.includes(cpu));
}
