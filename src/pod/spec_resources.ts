import type { LinuxResources, OciResources, OciSpec } from "../oci/mod.ts";

/** What a container's limits are, in CRI's terms; `undefined` when its spec has none. */
export function specResources(spec: OciSpec): LinuxResources | undefined {
  const { cpu, memory, hugepageLimits, unified } = spec.linux.resources ?? {};
  const { oomScoreAdj } = spec.process;
  const parts = [cpu, memory, hugepageLimits, unified, oomScoreAdj];
  if (parts.every((part) => part === undefined)) return undefined;
  return {
    cpuPeriod: cpu?.period ?? 0,
    cpuQuota: cpu?.quota ?? 0,
    cpuShares: cpu?.shares ?? 0,
    memoryLimit: memory?.limit ?? 0,
    memorySwapLimit: memory?.swap ?? 0,
    oomScoreAdj: oomScoreAdj ?? 0,
    cpusetCpus: cpu?.cpus ?? "",
    cpusetMems: cpu?.mems ?? "",
    hugepageLimits: hugepageLimits ?? [],
    unified: unified ?? {},
  };
}

/** Writes into a spec what an update has changed; what it leaves out stays. */
export function changeSpecResources(spec: OciSpec, update: OciResources): void {
  const before = spec.linux.resources ?? {};
  const changed = { ...before };
  if (update.cpu !== undefined) changed.cpu = { ...before.cpu, ...update.cpu };
  if (update.memory !== undefined) changed.memory = { ...before.memory, ...update.memory };
  if (update.unified !== undefined) changed.unified = { ...before.unified, ...update.unified };
  spec.linux.resources = changed;
}
