import { CridError } from "../../failure/mod.ts";
import type {
  SandboxConfig,
  SandboxFilter,
  SandboxMetadata,
  SandboxStatus,
  SandboxView,
  StringMap,
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
import { readAbsolutePath, readHostname, readName, readPath } from "./text.ts";

const MAX_PORT = 65_535;
const MAX_SYSCTL = 4096;

/** @throws {CridError} `invalid_argument` naming the field that is missing or wrong. */
export function readSandboxConfig(config: PodSandboxConfig | undefined): SandboxConfig {
  if (config === undefined) {
    throw new CridError("invalid_argument", "the sandbox config is missing");
  }
  const { logDirectory, dnsConfig, linux } = config;
  return {
    metadata: readMetadata(config.metadata),
    hostname: readHostname(config.hostname),
    logDirectory: logDirectory && readAbsolutePath(logDirectory, "log directory"),
    dns: dnsConfig,
    portMappings: config.portMappings.map(readPortMapping),
    labels: readLabels(config.labels),
    annotations: config.annotations,
    cgroupParent: readPath(linux?.cgroupParent ?? "", "cgroup parent"),
    sysctls: readSysctls(linux?.sysctls ?? {}),
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
  return {
    name: readName(metadata.name, "pod name"),
    namespace: readName(metadata.namespace, "pod namespace"),
    uid: readName(metadata.uid, "pod uid"),
    attempt: metadata.attempt,
  };
}

/** The kernel reads at most a page; a value with a NUL would be cut short. */
function readSysctls(sysctls: StringMap): StringMap {
  for (const [name, value] of Object.entries(sysctls)) {
    readName(name.replaceAll("/", "."), "sysctl");
    if (value.length < MAX_SYSCTL && !value.includes("\0")) continue;
    throw new CridError(
      "invalid_argument",
      `sysctl ${name}: its value has a NUL character or is longer than a page`,
    );
  }
  return sysctls;
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
