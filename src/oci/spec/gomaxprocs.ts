import type { LinuxResources } from "../types.ts";
import { SKIP_GOMAXPROCS } from "./annotations.ts";
import type { SpecDraft } from "./draft.ts";

const SHARES_PER_CPU = 1024;
const NAME = "GOMAXPROCS=";

/**
 * Keeps Go programs without a CPU limit from starting a thread for every CPU of a large host
 * (`min_injected_gomaxprocs`).
 */
export function gomaxprocsStage({ input, defaults, spec }: SpecDraft): void {
  const floor = defaults.minInjectedGomaxprocs;
  if (floor <= 0 || input.role === "infra") return;
  const skip = input.annotations[SKIP_GOMAXPROCS];
  if (skip !== undefined && skip !== "false") return;
  if (spec.process.env.some((entry) => entry.startsWith(NAME))) return;
  const value = gomaxprocs(floor, input.cgroupsPath, input.resources);
  if (value !== undefined) spec.process.env.push(NAME + value);
}

/**
 * The value to inject: for burstable pods twice what the container asks for, for best-effort ones
 * the floor.
 *
 * @param cgroupsPath Names the pod's class, as the kubelet makes cgroups.
 * @returns `undefined` for guaranteed pods and containers with a limit, whose share is known.
 */
export function gomaxprocs(
  floor: number,
  cgroupsPath: string,
  resources: LinuxResources | undefined,
): number | undefined {
  if ((resources?.cpuQuota ?? 0) > 0) return undefined;
  if (cgroupsPath.includes("besteffort")) return floor;
  if (!cgroupsPath.includes("burstable")) return undefined;
  const asked = (resources?.cpuShares ?? 0) / SHARES_PER_CPU;
  return Math.max(floor, Math.ceil(2 * asked));
}
