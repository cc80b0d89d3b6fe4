import { CridError } from "../../failure/mod.ts";
import { kernelFileExists } from "../../linux/mod.ts";
import type { CgroupSettings, LinuxResources, OciResources } from "../types.ts";
import { containerAnnotation, parseUnified, SpecAnnotation } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";

/** cgroup limits, as far as the host has the controllers. */
export function resourcesStage({ input, defaults, handler, spec }: SpecDraft): void {
  const { version, controllers } = defaults.cgroup;
  const asked = input.resources;
  const resources = spec.linux.resources ??= {};
  if (asked !== undefined) {
    checkMemory(asked, handler.minimumMemory);
    Object.assign(resources, ociResources(asked, swapControl(defaults.cgroup)));
    if (!controllers.has("hugetlb")) delete resources.hugepageLimits;
  }
  const unified = containerAnnotation(input.annotations, SpecAnnotation.unified);
  if (unified !== undefined) {
    resources.unified = { ...resources.unified, ...parseUnified(unified) };
  }
  if (version === 1) delete resources.unified;
  if (defaults.pidsLimit > 0 && controllers.has("pids")) {
    resources.pids = { limit: defaults.pidsLimit };
  }
}

/** @throws {CridError} `invalid_argument` for a limit no container can start with. */
function checkMemory({ memoryLimit: limit, memorySwapLimit: swap }: LinuxResources, least: number) {
  if (limit !== 0 && limit < least) {
    throw new CridError(
      "invalid_argument",
      `set memory limit ${limit} too low; should be at least ${least} bytes`,
    );
  }
  if (swap > 0 && swap < limit) {
    throw new CridError(
      "invalid_argument",
      `memory swap limit (${swap}) cannot be lower than memory limit (${limit})`,
    );
  }
}

/** Who limits swap: nobody, the kernel alone, or systemd, which writes its own limits again and again. */
export type SwapControl = "none" | "kernel" | "systemd";

/** Writes CRI's limits in the form of the OCI runtime spec; what CRI has not set is left out. */
export function ociResources(
  asked: LinuxResources,
  swapControl: SwapControl = "kernel",
): OciResources {
  const cpu = {
    ...(asked.cpuPeriod === 0 ? {} : { period: asked.cpuPeriod }),
    ...(asked.cpuQuota === 0 ? {} : { quota: asked.cpuQuota }),
    ...(asked.cpuShares === 0 ? {} : { shares: asked.cpuShares }),
    ...(asked.cpusetCpus === "" ? {} : { cpus: asked.cpusetCpus }),
    ...(asked.cpusetMems === "" ? {} : { mems: asked.cpusetMems }),
  };
  // Swap counts memory and swap together: as much as memory means none.
  const swap = asked.memorySwapLimit || asked.memoryLimit;
  const memory = {
    ...(asked.memoryLimit === 0 ? {} : { limit: asked.memoryLimit }),
    ...(swap === 0 || swapControl === "none" ? {} : { swap }),
  };
  // Only so does runc tell systemd, which would give swap at the next daemon-reload otherwise:
  // opencontainers/cgroups issue 74.
  const noSwap = swapControl === "systemd" && swap > 0 && swap === asked.memoryLimit;
  const unified = { ...(noSwap ? { "memory.swap.max": "0" } : {}), ...asked.unified };
  const hugepageLimits = asked.hugepageLimits.map(({ pageSize, limit }) => ({ pageSize, limit }));
  return {
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(hugepageLimits.length === 0 ? {} : { hugepageLimits }),
    ...(Object.keys(unified).length === 0 ? {} : { unified }),
  };
}

/** A kernel without swap accounting has no file for the limit, and the runtime would fail on it. */
export function swapControl({ version, driver }: CgroupSettings): SwapControl {
  const files = [
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
    // The root of v2 has no limits; one of these exists below it on any host.
    ...["system.slice", "init.scope", "kubepods", "kubepods.slice", "crio"]
      .map((cgroup) => `/sys/fs/cgroup/${cgroup}/memory.swap.max`),
  ];
  if (!files.some(kernelFileExists)) return "none";
  return version === 2 && driver === "systemd" ? "systemd" : "kernel";
}
