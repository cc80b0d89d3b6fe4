import { CridError } from "../failure/mod.ts";
import type { IdMap } from "../oci/mod.ts";
import type { SandboxConfig, StringMap } from "./types.ts";

/** Kubernetes' limit for a label's key and value together, as CRI-O enforces it. */
const MAX_LABEL_BYTES = 4096;
/** `HOST_NAME_MAX` of Linux. */
const MAX_HOSTNAME_LENGTH = 64;

/**
 * Refuses what no sandbox can be made from.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function checkSandboxConfig(config: SandboxConfig): void {
  const { name, namespace, uid } = config.metadata;
  if (name === "") refuse("the pod's name is empty");
  if (namespace === "") refuse("the pod's namespace is empty");
  if (uid === "") refuse("the pod's uid is empty");
  for (const part of [name, namespace, uid]) {
    if (/[/\0\n]/.test(part)) refuse(`the pod's name part ${JSON.stringify(part)} is not a name`);
  }
  if (config.hostname.length > MAX_HOSTNAME_LENGTH || /[/\0\s]/.test(config.hostname)) {
    refuse(`hostname ${JSON.stringify(config.hostname)}: at most 64 characters without spaces`);
  }
  if (config.logDirectory !== "" && !config.logDirectory.startsWith("/")) {
    refuse(`log directory ${config.logDirectory} must be an absolute path`);
  }
  checkLabels(config.labels);
  checkUserNamespace(config);
}

/** @throws {CridError} `invalid_argument` for a label that is too long. */
export function checkLabels(labels: StringMap): void {
  for (const [key, value] of Object.entries(labels)) {
    if (key.length + value.length <= MAX_LABEL_BYTES) continue;
    refuse(
      `label key and value greater than maximum size (${MAX_LABEL_BYTES} bytes), key: ${
        key.slice(0, 10)
      }`,
    );
  }
}

function checkUserNamespace(config: SandboxConfig): void {
  const { mode, maps } = config.security.namespaces.user;
  if (mode === "node") {
    if (maps.uids.length + maps.gids.length > 0) {
      refuse("user namespace mode NODE takes no id mappings");
    }
    return;
  }
  if (mode !== "pod") refuse(`unsupported user namespace mode: ${mode.toUpperCase()}`);
  for (const [kind, list] of [["uid", maps.uids], ["gid", maps.gids]] as const) {
    const [map] = list;
    if (list.length !== 1 || map === undefined) {
      refuse(`a user namespace needs exactly one ${kind} mapping, got ${list.length}`);
    } else checkMap(kind, map);
  }
}

function checkMap(kind: string, map: IdMap): void {
  if (map.containerId !== 0) {
    refuse(`the ${kind} mapping must begin at 0 in the container, not at ${map.containerId}`);
  }
  if (map.size < 1) refuse(`the ${kind} mapping has no ids`);
}

function refuse(why: string): never {
  throw new CridError("invalid_argument", `run pod sandbox: ${why}`);
}
