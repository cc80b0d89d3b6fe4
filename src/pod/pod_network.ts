import type { NetworkPod } from "../network/mod.ts";
import type { SandboxParts } from "./sandbox.ts";

/** A sandbox in the terms of network/. */
export function networkPod(parts: SandboxParts): NetworkPod {
  const { metadata, portMappings, annotations } = parts.config;
  return {
    id: parts.id,
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    netns: parts.namespaces.network ?? "",
    portMappings: portMappings.filter((mapping) => mapping.hostPort > 0),
    annotations,
    cgroupParent: parts.cgroupParent,
  };
}
