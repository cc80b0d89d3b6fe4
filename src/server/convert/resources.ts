import type { LinuxResources } from "../../oci/mod.ts";
import type { LinuxContainerResources } from "../../gen/runtime/v1/api.ts";
import { toInt64, toUint64 } from "./numbers.ts";

/** cgroup settings of a request. */
export function readResources(
  resources: LinuxContainerResources | undefined,
): LinuxResources | undefined {
  if (resources === undefined) return undefined;
  return {
    cpuPeriod: Number(resources.cpuPeriod),
    cpuQuota: Number(resources.cpuQuota),
    cpuShares: Number(resources.cpuShares),
    memoryLimit: Number(resources.memoryLimitInBytes),
    memorySwapLimit: Number(resources.memorySwapLimitInBytes),
    oomScoreAdj: Number(resources.oomScoreAdj),
    cpusetCpus: resources.cpusetCpus,
    cpusetMems: resources.cpusetMems,
    hugepageLimits: resources.hugepageLimits.map(({ pageSize, limit }) => ({
      pageSize,
      limit: Number(limit),
    })),
    unified: resources.unified,
  };
}

/** cgroup settings for a status. */
export function writeResources(resources: LinuxResources): LinuxContainerResources {
  return {
    cpuPeriod: toInt64(resources.cpuPeriod),
    cpuQuota: toInt64(resources.cpuQuota),
    cpuShares: toInt64(resources.cpuShares),
    memoryLimitInBytes: toInt64(resources.memoryLimit),
    memorySwapLimitInBytes: toInt64(resources.memorySwapLimit),
    oomScoreAdj: toInt64(resources.oomScoreAdj),
    cpusetCpus: resources.cpusetCpus,
    cpusetMems: resources.cpusetMems,
    hugepageLimits: resources.hugepageLimits.map(({ pageSize, limit }) => ({
      pageSize,
      limit: toUint64(limit),
    })),
    unified: resources.unified,
  };
}
