import { CridError } from "../failure/mod.ts";
import { isAlive, type NamespaceOptions, type NamespaceRef, type ProcessRef } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * The namespaces that a container of `sandbox` joins or gets. A kind that is missing is the host's.
 *
 * @param target The container whose PID namespace is joined in `target` mode.
 * @throws {CridError} `failed_precondition` when the process to share a PID namespace with is gone,
 * `invalid_argument` when it is another pod's.
 */
export function namespaceRefs(
  sandbox: Sandbox,
  options: NamespaceOptions,
  target?: Container,
): NamespaceRef[] {
  const { network, ipc, uts, user } = sandbox.parts.namespaces;
  const refs: NamespaceRef[] = [];
  if (network !== undefined) refs.push({ type: "network", path: network });
  if (ipc !== undefined) refs.push({ type: "ipc", path: ipc });
  if (uts !== undefined) refs.push({ type: "uts", path: uts });
  if (user !== undefined) refs.push({ type: "user", path: user });
  switch (options.pid) {
    case "container":
      refs.push({ type: "pid" });
      break;
    case "pod":
      refs.push({ type: "pid", path: pidNamespace("the pod's infra process", sandbox.infra) });
      break;
    case "target":
      refuseForeign(sandbox, target);
      refs.push({ type: "pid", path: pidNamespace(`container ${options.targetId}`, target?.init) });
      break;
    case "node":
      break;
  }
  return refs;
}

function refuseForeign(sandbox: Sandbox, target: Container | undefined): void {
  if (target === undefined || target.parts.sandbox === sandbox) return;
  throw new CridError(
    "invalid_argument",
    `share the PID namespace of container ${target.id}: it is in another pod`,
  );
}

/** Behind the number of a process that has ended there may be any other, also one of the host. */
function pidNamespace(whose: string, process: ProcessRef | undefined): string {
  if (process !== undefined && isAlive(process)) return `/proc/${process.pid}/ns/pid`;
  throw new CridError(
    "failed_precondition",
    `share the PID namespace of ${whose}: it is not running`,
  );
}
