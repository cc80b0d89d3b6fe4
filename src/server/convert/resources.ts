import { CridError } from "../../failure/mod.ts";
import type { LinuxResources } from "../../oci/mod.ts";
import type { LinuxContainerResources } from "../../gen/runtime/v1/api.ts";
import { toInt64, toNumber, toUint64 } from "./numbers.ts";

/** `2MB`, `1GB`: part of the name of a file of the hugetlb controller. */
const PAGE_SIZE = /^\d{1,4}[KMGT]B$/;
const ID_LIST = /^(\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*)?$/;

/**
 * cgroup settings of a request.
 *
 * @throws {CridError} `invalid_argument` for what no cgroup could be set to.
 */
export function readResources(
  resources: LinuxContainerResources | undefined,
): LinuxResources | undefined {
  if (resources === undefined) return undefined;
  for (const file of Object.keys(resources.unified)) {
    if (!/^\w+(\.\w+)*$/.test(file)) refuse(`unified: ${JSON.stringify(file)} is no cgroup file`);
  }
  return {
    cpuPeriod: notNegative(resources.cpuPeriod, "cpu_period"),
    cpuQuota: toNumber(resources.cpuQuota),
    cpuShares: notNegative(resources.cpuShares, "cpu_shares"),
    memoryLimit: toNumber(resources.memoryLimitInBytes),
    memorySwapLimit: toNumber(resources.memorySwapLimitInBytes),
    oomScoreAdj: toNumber(resources.oomScoreAdj),
    cpusetCpus: idList(resources.cpusetCpus, "cpuset_cpus"),
    cpusetMems: idList(resources.cpusetMems, "cpuset_mems"),
    hugepageLimits: resources.hugepageLimits.map(({ pageSize, limit }) => {
      if (!PAGE_SIZE.test(pageSize)) refuse(`${JSON.stringify(pageSize)} is no huge page size`);
      return { pageSize, limit: toNumber(limit) };
    }),
    unified: resources.unified,
  };
}

function notNegative(value: bigint, what: string): number {
  return value < 0n ? refuse(`${what} ${value} is negative`) : toNumber(value);
}

/** CPUs or memory nodes as the kernel lists them. */
function idList(list: string, what: string): string {
  return ID_LIST.test(list) ? list : refuse(`${what} ${JSON.stringify(list)} is not like 0-3,8`);
}

function refuse(why: string): never {
  throw new CridError("invalid_argument", `Linux resources: ${why}`);
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
