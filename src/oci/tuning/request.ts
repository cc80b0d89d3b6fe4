import { CridError } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import type { OciSpec } from "../oci_spec.ts";
import { containerAnnotation } from "../spec/annotations.ts";
import { OWN_CPUS } from "../spec/shared_cpus.ts";
import { hasWholeCpus } from "../spec/whole_cpus.ts";
import { cpuList } from "./cpu_list.ts";

/** CRI-O's annotations for containers that must not be disturbed on their CPUs. */
const ANNOTATION = {
  interrupts: "irq-load-balancing.crio.io",
  quota: "cpu-quota.crio.io",
  balancing: "cpu-load-balancing.crio.io",
  sleep: "cpu-c-states.crio.io",
  governor: "cpu-freq-governor.crio.io",
} as const;

/** What is done to the CPUs of a container for as long as it runs. */
export interface CpuTuning {
  readonly cpus: readonly number[];
  /** `housekeeping` leaves interrupts to the first core. */
  readonly interrupts: "anywhere" | "elsewhere" | "housekeeping";
  readonly quota: "kept" | "removed";
  /** How long a CPU may take to wake up, in the words of `pm_qos_resume_latency_us`. */
  readonly latency: string | undefined;
  readonly governor: string | undefined;
}

type Asking = Pick<OciSpec, "annotations" | "linux" | "process">;

/**
 * What a container's annotations ask for, all of which its spec keeps; `undefined` when that is
 * nothing, or its CPUs are not its own: the kubelet gives whole ones to guaranteed pods only.
 *
 * @throws {CridError} `invalid_argument` for a value that is none, `unimplemented` for what crid
 * does not do.
 */
export function cpuTuning({ annotations, linux, process }: Asking): CpuTuning | undefined {
  const value = (name: string) => containerAnnotation(annotations, [name, name]);
  const { cpus = "", shares = 0 } = linux.resources?.cpu ?? {};
  const asked = Object.values(ANNOTATION).some((name) => value(name) !== undefined);
  if (!asked || !hasWholeCpus(linux.cgroupsPath ?? "", shares)) return undefined;
  if (isOff(value(ANNOTATION.balancing))) {
    throw new CridError(
      "unimplemented",
      `${ANNOTATION.balancing}: this version of crid does not take CPUs out of the kernel's load ` +
        "balancing; leave the annotation out, or boot the node with isolcpus",
    );
  }
  const own = process.env.find((entry) => entry.startsWith(OWN_CPUS))?.slice(OWN_CPUS.length);
  const interrupts = value(ANNOTATION.interrupts);
  const tuning: CpuTuning = {
    cpus: cpuList(own ?? cpus),
    interrupts: interrupts === "housekeeping"
      ? "housekeeping"
      : isOff(interrupts)
      ? "elsewhere"
      : "anywhere",
    quota: isOff(value(ANNOTATION.quota)) ? "removed" : "kept",
    latency: latency(annotations[ANNOTATION.sleep]),
    governor: annotations[ANNOTATION.governor] || undefined,
  };
  // A quota can be lifted on whatever CPUs there are.
  const isForOwn = tuning.interrupts !== "anywhere" ||
    tuning.latency !== undefined || tuning.governor !== undefined;
  if (tuning.cpus.length > 0 || !isForOwn) return tuning;
  throw new CridError(
    "invalid_argument",
    "annotations ask for CPUs to be tuned, but the container has none of its own (cpuset_cpus): " +
      "the kubelet needs the static CPU manager policy",
  );
}

/** `true` is what people wrote before CRI-O 1.28. */
function isOff(value: string | undefined): boolean {
  if (value === "true") log.warn('annotation value "true" is deprecated, use "disable"');
  return value === "disable" || value === "true";
}

/** kernel, admin-guide/pm/cpuidle: 0 allows any state of sleep, `n/a` none. */
function latency(value: string | undefined): string | undefined {
  if (!value) return undefined;
  if (value === "enable") return "0";
  if (value === "disable") return "n/a";
  const microseconds = /^max_latency:([1-9]\d{0,8})$/.exec(value)?.[1];
  if (microseconds !== undefined) return microseconds;
  throw new CridError(
    "invalid_argument",
    `${ANNOTATION.sleep}: ${JSON.stringify(value)} is not enable, disable or max_latency:<µs>`,
  );
}
