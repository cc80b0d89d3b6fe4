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

/** The text may be the pod's own: a member of the wrong type counts as not there. */
function fromJson(text: string): LinuxResources | undefined {
  const json = parseObject(text);
  if (json === undefined) return undefined;
  return {
    cpuPeriod: numberOf(json.cpu_period),
    cpuQuota: numberOf(json.cpu_quota),
    cpuShares: numberOf(json.cpu_shares),
    memoryLimit: numberOf(json.memory_limit_in_bytes),
    memorySwapLimit: numberOf(json.memory_swap_limit_in_bytes),
    oomScoreAdj: numberOf(json.oom_score_adj),
    cpusetCpus: textOf(json.cpuset_cpus),
    cpusetMems: textOf(json.cpuset_mems),
    hugepageLimits: (Array.isArray(json.hugepage_limits) ? json.hugepage_limits : [])
      .filter(isObject)
      .map(({ page_size, limit }) => ({ pageSize: textOf(page_size), limit: numberOf(limit) })),
    unified: Object.fromEntries(
      Object.entries(isObject(json.unified) ? json.unified : {})
        .filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    ),
  };
}

function parseObject(text: string): { readonly [Key in keyof ResourcesJson]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
