/**
 * The whole lane of real nodes: which jobs run on which release, with which runtime and driver.
 *
 * @module
 */
import type { Boot } from "./boot.ts";
import { MANAGERS, RUNTIMES, type Step } from "./jobs.ts";

/** A job with each runtime and each driver. */
function everywhere(job: string, variables: Readonly<Record<string, string>> = {}): Step[] {
  return MANAGERS.flatMap((manager) =>
    RUNTIMES.map((runtime) => ({ job, manager, runtime, variables }))
  );
}

/** A job with each runtime, where systemd makes the cgroups. */
function withSystemd(job: string): Step[] {
  return RUNTIMES.map((runtime) => ({ job, manager: "systemd", runtime }));
}

/** Specs that cgroups, systemd or AppArmor make a difference to. */
const NODE_SPECS = "AppArmor|OOM|NamespaceOption|Privileged|basic operations|PodSandbox";
/** Two specs at a time; the guest has two processors. */
const PARALLEL = "2";

/** What does not depend on runtime or driver runs once. */
const USUAL: Pick<Step, "manager" | "runtime"> = { manager: "systemd", runtime: "crun" };

const JOBS: readonly Step[] = [
  ...everywhere("smoke"),
  ...withSystemd("reboot"),
  ...everywhere("unified"),
  ...withSystemd("units"),
  { job: "service", ...USUAL },
  { job: "apparmor", ...USUAL },
  { job: "integration", ...USUAL },
];

/** One after the other. */
export const LANE: readonly Pick<Boot, "suite" | "steps" | "minutes">[] = [
  {
    suite: "bookworm",
    minutes: 180,
    steps: [
      ...JOBS,
      { job: "critest", ...USUAL, variables: { PARALLEL } },
      ...everywhere("critest", { PARALLEL, FOCUS: NODE_SPECS })
        .filter(({ manager, runtime }) => manager !== USUAL.manager || runtime !== USUAL.runtime),
    ],
  },
  {
    suite: "trixie",
    minutes: 120,
    steps: [...JOBS, { job: "critest", ...USUAL, variables: { PARALLEL, FOCUS: NODE_SPECS } }],
  },
];
