import { CridError } from "../failure/mod.ts";
import type { NamespaceOptions, NamespaceRef, ProcessRef } from "../oci/mod.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * The namespaces that a container of `sandbox` joins or gets. A kind that is missing is the host's.
 *
 * @param target Main process of the container whose PID namespace is joined in `target` mode.
 * @throws {CridError} `failed_precondition` when the process to share a PID namespace with is gone.
 */
export function namespaceRefs(
  sandbox: Sandbox,
  options: NamespaceOptions,
  target?: ProcessRef,
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
      refs.push({ type: "pid", path: pidNamespace(`container ${options.targetId}`, target) });
      break;
    case "node":
      break;
  }
  return refs;
}

function pidNamespace(whose: string, process: ProcessRef | undefined): string {
  if (process !== undefined) return `/proc/${process.pid}/ns/pid`;
  throw new CridError(
    "failed_precondition",
    `share the PID namespace of ${whose}: it is not running`,
  );
}
