import type { LinuxResources, OciSpec } from "../oci/mod.ts";

/** Annotations with a pod's resources and overhead, each under its present and its former name. */
const NAMES = {
  resources: ["pod-linux-resources.crio.io", "io.kubernetes.cri-o.PodLinuxResources"],
  overhead: ["pod-linux-overhead.crio.io", "io.kubernetes.cri-o.PodLinuxOverhead"],
} as const;

/** What the kubelet has decided on for a pod as a whole. */
export interface SandboxResources {
  readonly overhead: LinuxResources | undefined;
  readonly resources: LinuxResources | undefined;
}

/** CRI's JSON form, in which CRI-O writes it and runtimes read it. */
interface ResourcesJson {
  readonly cpu_period?: number;
  readonly cpu_quota?: number;
  readonly cpu_shares?: number;
  readonly memory_limit_in_bytes?: number;
  readonly memory_swap_limit_in_bytes?: number;
  readonly oom_score_adj?: number;
  readonly cpuset_cpus?: string;
  readonly cpuset_mems?: string;
  readonly hugepage_limits?: readonly { readonly page_size?: string; readonly limit?: number }[];
  readonly unified?: Readonly<Record<string, string>>;
}

/** Writes what is known into annotations; what is not leaves them as they are. */
export function annotateResources(
  annotations: OciSpec["annotations"],
  { overhead, resources }: SandboxResources,
): void {
  for (
    const [names, value] of [[NAMES.overhead, overhead], [NAMES.resources, resources]] as const
  ) {
    for (const name of value === undefined ? [] : names) annotations[name] = toJson(value!);
  }
}

/** Reads what {@linkcode annotateResources} or CRI-O has written; nonsense, as a pod may write it, is nothing. */
export function readAnnotatedResources(
  annotations: Readonly<Record<string, string>>,
): SandboxResources {
  const [overhead, resources] = [NAMES.overhead, NAMES.resources]
    .map((names) => names.map((name) => annotations[name]).find((text) => text !== undefined))
    .map((text) => text === undefined ? undefined : fromJson(text));
  return { overhead, resources };
}

function toJson(resources: LinuxResources): string {
  const { hugepageLimits, unified } = resources;
  // As Go's omitempty: zeros are not written.
  const json: ResourcesJson = {
    cpu_period: resources.cpuPeriod,
    cpu_quota: resources.cpuQuota,
    cpu_shares: resources.cpuShares,
    memory_limit_in_bytes: resources.memoryLimit,
    oom_score_adj: resources.oomScoreAdj,
    cpuset_cpus: resources.cpusetCpus,
    cpuset_mems: resources.cpusetMems,
    memory_swap_limit_in_bytes: resources.memorySwapLimit,
  };
  const given = Object.entries(json).filter(([, value]) => value !== 0 && value !== "");
  return JSON.stringify({
    ...Object.fromEntries(given),
    ...(hugepageLimits.length === 0 ? {} : {
      hugepage_limits: hugepageLimits.map(({ pageSize, limit }) => ({
        page_size: pageSize,
        limit,
      })),
    }),
    ...(Object.keys(unified).length === 0 ? {} : { unified }),
  });
}

function fromJson(text: string): LinuxResources | undefined {
  let json: ResourcesJson;
  try {
    json = (JSON.parse(text) ?? {}) as ResourcesJson;
  } catch {
    return undefined;
  }
  return {
    cpuPeriod: json.cpu_period ?? 0,
    cpuQuota: json.cpu_quota ?? 0,
    cpuShares: json.cpu_shares ?? 0,
    memoryLimit: json.memory_limit_in_bytes ?? 0,
    memorySwapLimit: json.memory_swap_limit_in_bytes ?? 0,
    oomScoreAdj: json.oom_score_adj ?? 0,
    cpusetCpus: json.cpuset_cpus ?? "",
    cpusetMems: json.cpuset_mems ?? "",
    hugepageLimits: (json.hugepage_limits ?? []).map(({ page_size, limit }) => ({
      pageSize: page_size ?? "",
      limit: limit ?? 0,
    })),
    unified: json.unified ?? {},
  };
}
