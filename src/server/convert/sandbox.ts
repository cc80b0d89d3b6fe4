import { CridError } from "../../failure/mod.ts";
import type {
  SandboxConfig,
  SandboxFilter,
  SandboxMetadata,
  SandboxStatus,
  SandboxView,
} from "../../pod/mod.ts";
import type { PortMapping } from "../../network/mod.ts";
import type {
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxMetadata,
  PodSandboxStatus,
  PortMapping as WirePortMapping,
} from "../../gen/runtime/v1/api.ts";
import { protocol, sandboxState } from "./enums.ts";
import { readLabels } from "./labels.ts";
import { writeNamespaces } from "./namespaces.ts";
import { readResources } from "./resources.ts";
import { readSandboxSecurity } from "./security.ts";

const MAX_PORT = 65_535;

/** @throws {CridError} `invalid_argument` naming the field that is missing or wrong. */
export function readSandboxConfig(config: PodSandboxConfig | undefined): SandboxConfig {
  if (config === undefined) {
    throw new CridError("invalid_argument", "the sandbox config is missing");
  }
  const { logDirectory, dnsConfig, linux } = config;
  if (logDirectory !== "" && !logDirectory.startsWith("/")) {
    throw new CridError("invalid_argument", `log directory "${logDirectory}" is not absolute`);
  }
  return {
    metadata: readMetadata(config.metadata),
    hostname: config.hostname,
    logDirectory,
    dns: dnsConfig,
    portMappings: config.portMappings.map(readPortMapping),
    labels: readLabels(config.labels),
    annotations: config.annotations,
    cgroupParent: linux?.cgroupParent ?? "",
    sysctls: linux?.sysctls ?? {},
    security: readSandboxSecurity(linux?.securityContext),
    overhead: readResources(linux?.overhead),
    resources: readResources(linux?.resources),
  };
}

export function readSandboxFilter(filter: PodSandboxFilter | undefined): SandboxFilter {
  if (filter === undefined) return {};
  return {
    ...(filter.id !== "" && { id: filter.id }),
    ...(filter.state && { state: sandboxState.read(filter.state.state) }),
    labels: filter.labelSelector,
  };
}

export function writeSandbox(sandbox: SandboxView): PodSandbox {
  return {
    id: sandbox.id,
    metadata: sandbox.metadata,
    state: sandboxState.write(sandbox.state),
    createdAt: sandbox.createdAt,
    labels: sandbox.labels,
    annotations: sandbox.annotations,
    runtimeHandler: sandbox.runtimeHandler,
  };
}

export function writeSandboxStatus(status: SandboxStatus): PodSandboxStatus {
  const [ip = "", ...others] = status.ips;
  return {
    ...writeSandbox(status),
    network: { ip, additionalIps: others.map((other) => ({ ip: other })) },
    linux: { namespaces: { options: writeNamespaces(status.namespaces) } },
  };
}

function readMetadata(metadata: PodSandboxMetadata | undefined): SandboxMetadata {
  if (metadata === undefined) {
    throw new CridError("invalid_argument", "the sandbox config has no metadata");
  }
  const { name, namespace, uid, attempt } = metadata;
  for (const [field, value] of Object.entries({ name, namespace, uid })) {
    if (value === "") {
      throw new CridError("invalid_argument", `the sandbox metadata has no ${field}`);
    }
  }
  return { name, namespace, uid, attempt };
}

function readPortMapping(mapping: WirePortMapping): PortMapping {
  const { containerPort, hostPort, hostIp } = mapping;
  for (const port of [containerPort, hostPort]) {
    if (port < 0 || port > MAX_PORT) {
      throw new CridError("invalid_argument", `port mapping: ${port} is not a port`);
    }
  }
  return { protocol: protocol.read(mapping.protocol), containerPort, hostPort, hostIp };
}
