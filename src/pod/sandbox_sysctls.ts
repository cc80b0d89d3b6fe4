import { log } from "../observe/mod.ts";
import type { NamespaceOptions } from "../oci/mod.ts";
import type { StringMap } from "./types.ts";

/** Sysctls that a namespace has for itself, and the namespace. */
const NAMESPACED: readonly (readonly [RegExp, "ipc" | "network"])[] = [
  [/^kernel\.(sem$|shm|msg)/, "ipc"],
  [/^fs\.mqueue\./, "ipc"],
  [/^net\./, "network"],
];

/** Groups that may send ICMP echoes; `0 2147483647` is how people say everybody. */
const PING_GROUPS = "net.ipv4.ping_group_range";
const EVERYBODY = /^0\s+2147483647$/;

/**
 * The sysctls to set in a pod's namespaces: the configured ones, then the pod's over them. One that
 * no namespace has, or whose namespace is the host's, would change the host: it is left out and
 * said so.
 */
export function podSysctls(
  configured: StringMap,
  asked: StringMap,
  namespaces: NamespaceOptions,
): StringMap {
  const sysctls: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...configured, ...asked })) {
    const name = key.replaceAll("/", ".");
    const namespace = NAMESPACED.find(([pattern]) => pattern.test(name))?.[1];
    if (namespace === undefined || name.includes("..")) {
      log.warn(`sysctl ${name} is not namespaced, it is not set`);
    } else if (namespaces[namespace] === "node") {
      log.warn(`sysctl ${name} is not set: the pod uses the host's ${namespace} namespace`);
    } else sysctls[name] = name === PING_GROUPS ? mappedGroups(value, namespaces) : value;
  }
  return sysctls;
}

/** In a user namespace the kernel takes no group that is not mapped. */
function mappedGroups(value: string, { user }: NamespaceOptions): string {
  if (user.mode !== "pod" || !EVERYBODY.test(value.trim())) return value;
  const first = user.maps.gids.find(({ containerId }) => containerId === 0);
  return first === undefined ? value : `0 ${first.size - 1}`;
}
