import type { SpecDraft } from "../spec/draft.ts";
import { cpuTuning } from "./request.ts";
import { housekeepingCpus } from "./tuning.ts";

/** What programs read that keep their own helpers apart, the name as CRI-O has it. */
const HOUSEKEEPING = "OPENSHIFT_HOUSEKEEPING_CPUS=";

/** What of the tuning of its CPUs is in a container's spec; the rest comes before its start. */
export function tuningStage({ input, defaults, spec }: SpecDraft): void {
  if (input.role === "infra") return;
  const tuning = cpuTuning(spec);
  if (tuning === undefined) return;
  const busy = housekeepingCpus(tuning, defaults.tuning);
  if (busy.length > 0) spec.process.env.push(HOUSEKEEPING + busy.join(","));
  // A new cgroup has none. -1 would say the same, but crun up to 1.8 writes it to cgroup v1 without its sign.
  if (tuning.quota === "removed") delete spec.linux.resources!.cpu?.quota;
}
