import type { ContainerMetadata, SandboxMetadata } from "./types.ts";

/** 64 random hex characters: the id of a sandbox or a container. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name that makes a pod sandbox unique on the node; also its name in the store. */
export function sandboxName(pod: SandboxMetadata): string {
  return ["k8s", pod.name, pod.namespace, pod.uid, pod.attempt].join("_");
}

/** The name of a pod's infra container. */
export function infraName(pod: SandboxMetadata): string {
  return ["k8s", "POD", pod.name, pod.namespace, pod.uid, pod.attempt].join("_");
}

/** The name that makes a container unique on the node; also its name in the store. */
export function containerName(container: ContainerMetadata, pod: SandboxMetadata): string {
  return ["k8s", container.name, pod.name, pod.namespace, pod.uid, container.attempt].join("_");
}

/**
 * The file name of a sandbox's pinned namespaces. It looks like the UUID that CRI-O uses and is made
 * from the id, so that a half-made sandbox can be cleaned up after a crash.
 */
export function namespaceFile(sandboxId: string): string {
  const parts = [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]] as const;
  return parts.map(([from, to]) => sandboxId.slice(from, to)).join("-");
}
