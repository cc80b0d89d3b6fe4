import { log } from "../observe/mod.ts";
import type { NamespaceOptions } from "../oci/mod.ts";
import type { StringMap } from "./types.ts";

/** Sysctls that a namespace has for itself, and the namespace. */
const NAMESPACED: readonly (readonly [RegExp, "ipc" | "network"])[] = [
  [/^kernel\.(sem$|shm|msg)/, "ipc"],
  [/^fs\.mqueue\./, "ipc"],
  [/^net\./, "network"],
];

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
    } else sysctls[name] = value;
  }
  return sysctls;
}
