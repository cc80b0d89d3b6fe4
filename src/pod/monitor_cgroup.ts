import type { CpuLimits } from "../cgroup/mod.ts";
import type { RuntimeHandler } from "../oci/mod.ts";
import type { PodContext } from "./context.ts";
import type { SandboxParts } from "./sandbox.ts";
import { workloadOf, workloadResources } from "./workloads.ts";

/** The name by which a workload means the monitors of its pods, and their infra containers. */
export const POD_WORKLOAD = "POD";

/** Moves a container's new monitor out of crid's cgroup, where the cgroup driver wants that. */
export function monitorPlacer(
  context: PodContext,
  pod: SandboxParts,
  id: string,
  { monitorCgroup }: RuntimeHandler,
): (pid: number) => Promise<void> {
  const { cgroups } = context;
  const limits = monitorLimits(context, pod);
  const path = cgroups.monitorPath(pod.cgroupParent, id, monitorCgroup, limits);
  return async (pid) => {
    if (path !== undefined) await cgroups.place(path, pid, limits);
  };
}

/**
 * Removes the cgroup of a monitor that has ended; one that was killed leaves a failed unit.
 *
 * @param handler `undefined` when the configuration has it no more: then nobody knows where that is.
 */
export async function removeMonitorCgroup(
  context: PodContext,
  pod: SandboxParts,
  id: string,
  handler: RuntimeHandler | undefined,
): Promise<void> {
  if (handler === undefined) return;
  const { monitorCgroup } = handler;
  const limits = monitorLimits(context, pod);
  const path = context.cgroups.monitorPath(pod.cgroupParent, id, monitorCgroup, limits);
  if (path !== undefined) await context.cgroups.remove(path);
}

/** What the pod's workload allows its monitors; `undefined` when it says nothing of them. */
function monitorLimits({ options }: PodContext, { config }: SandboxParts): CpuLimits | undefined {
  const { annotations } = config;
  const workload = workloadOf(annotations, options.workloads);
  const resources = workloadResources(workload, annotations, POD_WORKLOAD, undefined);
  return resources && { shares: resources.cpuShares, cpus: resources.cpusetCpus };
}
