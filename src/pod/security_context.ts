import type { SecurityContext } from "../oci/mod.ts";

/**
 * The security context of a request that has none: the runtime's default seccomp profile, root, and
 * namespaces of the pod.
 */
export function noSecurityContext(): SecurityContext {
  return {
    privileged: false,
    namespaces: {
      network: "pod",
      pid: "container",
      ipc: "pod",
      targetId: "",
      user: { mode: "node", maps: { uids: [], gids: [] } },
    },
    addCapabilities: [],
    dropCapabilities: [],
    runAsUser: undefined,
    runAsUsername: "",
    runAsGroup: undefined,
    supplementalGroups: [],
    supplementalGroupsPolicy: "merge",
    readonlyRootfs: false,
    noNewPrivs: false,
    maskedPaths: [],
    readonlyPaths: [],
    seccomp: { kind: "runtime_default", localhostRef: "" },
    apparmor: undefined,
    selinux: undefined,
  };
}
