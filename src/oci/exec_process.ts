import { handlerEnvironment } from "./command.ts";
import type { OciSpec, RuntimeHandler } from "./types.ts";

/** What a command of exec is made from. */
export interface ExecProcess {
  readonly handler: RuntimeHandler;
  /** The container's spec; its process is copied with other arguments. */
  readonly spec: OciSpec;
  readonly args: readonly string[];
}

/** The container's own process with other arguments: user, capabilities, environment are the same. */
export function execProcess(exec: ExecProcess, { terminal }: { readonly terminal: boolean }) {
  const cpu = execCpu(exec);
  const affinity = cpu === undefined
    ? {}
    : { execCPUAffinity: { initial: String(cpu), final: String(cpu) } };
  return JSON.stringify({ ...exec.spec.process, args: exec.args, terminal, ...affinity });
}

/** The environment of a runtime for exec. Go's threads and collector cost runc a tenth of its time. */
export function execEnvironment({ handler }: ExecProcess): Record<string, string> {
  return { GOMAXPROCS: "1", GOGC: "off", ...handlerEnvironment(handler) };
}

/** Flags of the native starters that both ways of exec need. */
export function execFlags(exec: ExecProcess): string[] {
  const cpu = execCpu(exec);
  return [
    ...(exec.handler.hideUnified ? ["-u"] : []),
    // Runtimes older than execCPUAffinity leave it at what they are started with.
    ...(cpu === undefined ? [] : ["-a", String(cpu)]),
  ];
}

/** The first CPU of a container that has CPUs of its own, if commands are to keep to that. */
function execCpu({ handler, spec }: ExecProcess): number | undefined {
  const { cpus } = spec.linux.resources?.cpu ?? {};
  return handler.execCpuAffinity === "first" && cpus ? firstCpu(cpus) : undefined;
}

/** The lowest number of a kernel's list such as `4-7,2`. */
export function firstCpu(list: string): number | undefined {
  const numbers = list.split(",").map((range) => parseInt(range, 10)).filter(Number.isInteger);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
