import type { Section } from "../setting.ts";

/** `[crio.runtime.workloads.<name>]`: resources for pods that carry an annotation. */
export const WORKLOAD = {
  activation_annotation: {
    type: "string",
    default: "",
    doc: "Pods with this annotation, whatever its value, belong to the workload. Required.",
  },
  annotation_prefix: {
    type: "string",
    default: "",
    doc: "The annotation <prefix>/<container name> holds a JSON object that overrides the " +
      "resources below for one container; the name POD means the pod's monitors and infra container.",
  },
  allowed_annotations: {
    type: "list",
    default: [],
    doc: "Pod annotations that the workload allows besides the handler's.",
  },
  resources: {
    type: "table",
    doc: "Resources of each container of the workload; 0 or an empty text sets nothing.",
    of: {
      cpushares: { type: "integer", default: 0, doc: "CPU shares." },
      cpuquota: { type: "integer", default: 0, doc: "CPU quota in microseconds per period." },
      cpuperiod: { type: "integer", default: 0, doc: "CPU period in microseconds." },
      cpuset: { type: "string", default: "", doc: "CPUs, as in 0-3,8." },
      cpulimit: { type: "integer", default: 0, doc: "CPU limit in thousandths of a CPU." },
    },
  },
} as const satisfies Section;
