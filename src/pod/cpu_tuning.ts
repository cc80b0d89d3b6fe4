import { cpuTuning, tuneCpus, untuneCpus } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import type { PodContext } from "./context.ts";

/**
 * Prepares the CPUs of a container that is about to start, if its annotations ask for it.
 *
 * @throws {CridError} When the host cannot do that.
 */
export async function tuneContainer(context: PodContext, container: Container): Promise<void> {
  const tuning = cpuTuning(container.spec);
  if (tuning === undefined) return;
  const { cgroups, specDefaults } = context;
  const { cgroupParent } = container.parts.sandbox.parts;
  // Its own quota is left out of its spec.
  if (tuning.quota === "removed") cgroups.removeQuota(cgroups.podPath(cgroupParent));
  await tuneCpus(tuning, specDefaults.tuning);
}

/** Gives the CPUs of a container that has ended back as they were. */
export async function untuneContainer(context: PodContext, container: Container): Promise<void> {
  const tuning = cpuTuning(container.spec);
  if (tuning !== undefined) await untuneCpus(tuning, context.specDefaults.tuning);
}
