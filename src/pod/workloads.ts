import { CridError } from "../failure/mod.ts";
import { type LinuxResources, NO_RESOURCES } from "../oci/mod.ts";
import type { StringMap } from "./types.ts";

/** CPU settings of a workload; 0 or `""` sets nothing. */
export interface WorkloadResources {
  readonly cpuShares: number;
  /** Microseconds a period. */
  readonly cpuQuota: number;
  /** Microseconds. */
  readonly cpuPeriod: number;
  readonly cpuset: string;
  /** Thousandths of a CPU. */
  readonly cpuLimit: number;
}

/** Settings for pods that carry an annotation (`[crio.runtime.workloads]`). */
export interface Workload {
  readonly activationAnnotation: string;
  readonly annotationPrefix: string;
  readonly allowedAnnotations: readonly string[];
  readonly resources: WorkloadResources;
}

const DEFAULT_PERIOD = 100_000;
/** The least that the kernel takes. */
const LEAST_QUOTA = 1_000;

/** The workload that a pod belongs to: the first whose activation annotation it has. */
export function workloadOf(
  annotations: StringMap,
  workloads: readonly Workload[],
): Workload | undefined {
  return workloads.find(({ activationAnnotation }) => activationAnnotation in annotations);
}

/**
 * What a container of a workload gets: the workload's settings, or those of the pod's annotation
 * `<prefix>/<container>`, over what was asked for.
 *
 * @throws {CridError} `invalid_argument` for an annotation that is no JSON object.
 */
export function workloadResources(
  workload: Workload | undefined,
  annotations: StringMap,
  container: string,
  asked: LinuxResources | undefined,
): LinuxResources | undefined {
  if (workload === undefined) return asked;
  const { cpuShares, cpuQuota, cpuPeriod, cpuset } = settings(workload, annotations, container);
  const base = asked ?? NO_RESOURCES;
  const resources = {
    ...base,
    cpuShares: cpuShares || base.cpuShares,
    cpuQuota: cpuQuota || base.cpuQuota,
    cpuPeriod: cpuPeriod || base.cpuPeriod,
    cpusetCpus: cpuset || base.cpusetCpus,
  };
  const changed = cpuShares !== 0 || cpuQuota !== 0 || cpuPeriod !== 0 || cpuset !== "";
  return changed ? resources : asked;
}

/** A limit counts only where an annotation is, as in CRI-O. */
function settings(
  { annotationPrefix, resources }: Workload,
  annotations: StringMap,
  container: string,
): WorkloadResources {
  const key = `${annotationPrefix}/${container}`;
  const text = annotations[key];
  if (text === undefined) return resources;
  const own = parse(key, text);
  const merged = {
    cpuShares: own.cpuShares || resources.cpuShares,
    cpuQuota: own.cpuQuota || resources.cpuQuota,
    cpuPeriod: own.cpuPeriod || resources.cpuPeriod,
    cpuset: own.cpuset || resources.cpuset,
    cpuLimit: own.cpuLimit || resources.cpuLimit,
  };
  if (merged.cpuLimit === 0) return merged;
  const cpuPeriod = merged.cpuPeriod || DEFAULT_PERIOD;
  const cpuQuota = Math.max(Math.floor(merged.cpuLimit * cpuPeriod / 1000), LEAST_QUOTA);
  return { ...merged, cpuPeriod, cpuQuota };
}

function parse(key: string, text: string): WorkloadResources {
  const refuse = (why: string) =>
    new CridError("invalid_argument", `workload annotation ${key}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse("it is not JSON");
  }
  if (typeof value !== "object" || value === null) throw refuse("it is not a JSON object");
  const own = value as Record<string, unknown>;
  const number = (name: string) => {
    const given = own[name] ?? 0;
    if (typeof given === "number" && Number.isSafeInteger(given) && given >= 0) return given;
    throw refuse(`${name} is not a number`);
  };
  const cpuset = own["cpuset"] ?? "";
  if (typeof cpuset !== "string" || !/^[0-9,-]*$/.test(cpuset)) {
    throw refuse("cpuset is not a list of CPUs");
  }
  return {
    cpuShares: number("cpushares"),
    cpuQuota: number("cpuquota"),
    cpuPeriod: number("cpuperiod"),
    cpuset,
    cpuLimit: number("cpulimit"),
  };
}
