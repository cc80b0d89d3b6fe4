import type { Section } from "../setting.ts";
import { CONFINEMENT } from "./confinement.ts";
import { CONTAINER_DEFAULTS } from "./container_defaults.ts";
import { POD_RULES } from "./pod_rules.ts";
import { BUILT_IN_CRUN, RUNTIME_HANDLER } from "./runtime_handler.ts";
import { RUNTIME_PLACES } from "./runtime_places.ts";
import { RUNTIME_PROGRAMS } from "./runtime_programs.ts";
import { WORKLOAD } from "./workload.ts";

/** `[crio.runtime]`: how pods and containers are run. */
export const RUNTIME = {
  ...RUNTIME_PROGRAMS,
  ...CONTAINER_DEFAULTS,
  ...CONFINEMENT,
  ...RUNTIME_PLACES,
  ...POD_RULES,
  runtimes: {
    type: "tables",
    of: RUNTIME_HANDLER,
    default: { crun: BUILT_IN_CRUN },
    flag: "runtimes",
    env: ["CONTAINER_RUNTIMES"],
    reload: true,
    doc: "Runtime handlers. A file that mentions a handler replaces it as a whole.",
  },
  workloads: {
    type: "tables",
    of: WORKLOAD,
    default: {},
    doc: "Workloads. A file that mentions a workload replaces it as a whole.",
  },
} as const satisfies Section;
