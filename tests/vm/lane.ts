/**
 * The whole lane of real nodes: which jobs run on what, with which runtime and driver.
 *
 * @module
 */
import type { Boot } from "./boot.ts";
import { MANAGERS, RUNTIMES, type Step } from "./jobs.ts";

/** A job with each runtime and each driver. */
function everywhere(job: string): Step[] {
  return MANAGERS.flatMap((manager) => RUNTIMES.map((runtime) => ({ job, manager, runtime })));
}

/** A job with each runtime, where systemd makes the cgroups. */
function withSystemd(job: string): Step[] {
  return RUNTIMES.map((runtime) => ({ job, manager: "systemd", runtime }));
}

/** A job to which runtime and driver make no difference. */
function once(job: string): Step {
  return { job, manager: "systemd", runtime: "crun" };
}

/** What a release's own kernel, systemd and runtimes make a difference to. */
const RELEASE: readonly Step[] = [
  ...everywhere("smoke"),
  ...everywhere("unified"),
  ...withSystemd("units"),
  once("service"),
  once("apparmor"),
  once("integration"),
  ...withSystemd("reboot"),
];
/** critest is bearable where nothing is emulated. */
const WITH_CRITEST: readonly Step[] = [...RELEASE, ...everywhere("critest")];

/** One boot after the other. */
export const LANE: readonly Omit<Boot, "crid" | "script" | "say">[] = [
  { suite: "uml-bookworm", minutes: 180, steps: WITH_CRITEST },
  { suite: "uml-trixie", minutes: 180, steps: WITH_CRITEST },
  { suite: "bookworm", minutes: 180, steps: RELEASE },
  { suite: "trixie", minutes: 180, steps: RELEASE },
  { suite: "trixie", securityModule: "selinux", minutes: 60, steps: [once("selinux")] },
];
