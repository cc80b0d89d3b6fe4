import type { ProgramName } from "./faulty_programs.ts";
import type { CallName, PodKind } from "./life.ts";

/** One call of an external program in the life of a pod and its container. */
export interface Step {
  readonly call: CallName;
  readonly program: ProgramName;
  /** What its arguments or its CNI command contain. */
  readonly pattern: string;
  readonly kind: PodKind;
  /** How an error of this step begins. */
  readonly message: RegExp;
  /** The call succeeds whatever this program does: what it should take away is taken away without it. */
  readonly tolerated?: true;
}

/** Every step at which crid depends on a program. */
export const STEPS: readonly Step[] = [
  {
    call: "runPodSandbox",
    program: "pinns",
    pattern: "",
    kind: "plain",
    message: /^sandbox namespace creation: /,
  },
  {
    call: "runPodSandbox",
    program: "bridge",
    pattern: "ADD",
    kind: "plain",
    message: /^sandbox network creation: .*bridge/s,
  },
  {
    call: "runPodSandbox",
    program: "portmap",
    pattern: "ADD",
    kind: "plain",
    message: /^sandbox network creation: .*portmap/s,
  },
  {
    call: "runPodSandbox",
    program: "monitor",
    pattern: "",
    kind: "shared PIDs",
    message: /^sandbox container runtime creation: /,
  },
  {
    call: "runPodSandbox",
    program: "runtime",
    pattern: "create",
    kind: "shared PIDs",
    message: /^sandbox container runtime creation: /,
  },
  {
    call: "runPodSandbox",
    program: "runtime",
    pattern: "start",
    kind: "shared PIDs",
    message: /^sandbox container runtime creation: /,
  },
  {
    call: "createContainer",
    program: "monitor",
    pattern: "",
    kind: "plain",
    message: /^container runtime creation: /,
  },
  {
    call: "createContainer",
    program: "runtime",
    pattern: "create",
    kind: "plain",
    message: /^container runtime creation: /,
  },
  {
    call: "createContainer",
    program: "runtime",
    pattern: "",
    kind: "plain",
    message: /^container runtime creation: /,
  },
  {
    call: "startContainer",
    program: "runtime",
    pattern: "start",
    kind: "plain",
    message: /^start container /,
  },
  {
    call: "startContainer",
    program: "runtime",
    pattern: "start",
    kind: "shared PIDs",
    message: /^start container /,
  },
  {
    call: "execSync",
    program: "runtime",
    pattern: "exec",
    kind: "plain",
    message: /exec/,
  },
  {
    call: "updateContainerResources",
    program: "runtime",
    pattern: "update",
    kind: "plain",
    message: /^update container /,
  },
  {
    call: "removeContainer",
    program: "runtime",
    pattern: "delete",
    kind: "plain",
    message: /^delete container /,
  },
  {
    call: "stopPodSandbox",
    program: "bridge",
    pattern: "DEL",
    kind: "plain",
    message: /bridge/,
  },
  {
    call: "stopPodSandbox",
    program: "portmap",
    pattern: "DEL",
    kind: "plain",
    message: /portmap/,
  },
  {
    call: "stopPodSandbox",
    program: "runtime",
    pattern: "delete",
    kind: "shared PIDs",
    message: /^delete container /,
  },
];

/** For the names of tests. */
export function stepName({ program, pattern, kind }: Step): string {
  const verb = pattern === "" ? "" : ` ${pattern}`;
  return `${program}${verb} (${kind})`;
}

/** The steps to try with a runtime: with the second one, only those where it makes a difference. */
export function stepsOf(runtime: "runc" | "crun"): readonly Step[] {
  if (runtime === "runc") return STEPS;
  return STEPS.filter(({ program }) => program === "runtime" || program === "monitor");
}
