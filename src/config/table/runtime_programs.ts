import type { Section } from "../setting.ts";

/** Which programs run pods, and how they are started. */
export const RUNTIME_PROGRAMS = {
  default_runtime: {
    type: "string",
    default: "crun",
    flag: "default-runtime",
    env: ["CONTAINER_DEFAULT_RUNTIME"],
    reload: true,
    doc: "Handler for pods that ask for none; one of the tables [crio.runtime.runtimes.<name>]. " +
      '"" means crun, which is built in.',
  },
  no_pivot: {
    type: "boolean",
    default: false,
    flag: "no-pivot",
    env: ["CONTAINER_NO_PIVOT"],
    doc:
      "Whether the runtime uses MOVE mounts in place of pivot_root, for hosts that boot from a " +
      "RAM disk.",
  },
  selinux: {
    type: "boolean",
    default: false,
    flag: "selinux",
    env: ["CONTAINER_SELINUX"],
    doc: "Whether containers get SELinux labels. The default is whether the host has SELinux on.",
  },
  log_to_journald: {
    type: "boolean",
    default: false,
    flag: "log-journald",
    env: ["CONTAINER_LOG_JOURNALD"],
    doc: "Whether container output goes to the systemd journal besides its log file.",
  },
  drop_infra_ctr: {
    type: "boolean",
    default: true,
    flag: "drop-infra-ctr",
    env: ["CONTAINER_DROP_INFRA_CTR"],
    doc: "Whether a pod runs no infra container unless it needs one for a shared PID namespace.",
  },
  read_only: {
    type: "boolean",
    default: false,
    flag: "read-only",
    env: ["CONTAINER_READ_ONLY"],
    doc: "Whether containers that are not privileged get a read-only root with a tmpfs on /run, " +
      "/tmp and /var/tmp.",
  },
  conmon: {
    type: "string",
    default: "",
    flag: "conmon",
    env: ["CONTAINER_CONMON"],
    deprecated: "set monitor_path of the runtime handler",
    doc: "Overwrites monitor_path of every handler of type oci.",
  },
  conmon_cgroup: {
    type: "string",
    default: "",
    flag: "conmon-cgroup",
    env: ["CONTAINER_CONMON_CGROUP"],
    deprecated: "set monitor_cgroup of the runtime handler",
    doc: "Overwrites monitor_cgroup of every handler of type oci.",
  },
  conmon_env: {
    type: "list",
    default: [],
    flag: "conmon-env",
    env: ["CONTAINER_CONMON_ENV"],
    secret: true,
    deprecated: "set monitor_env of the runtime handler",
    doc: "Overwrites monitor_env of every handler of type oci.",
  },
  hooks_dir: {
    type: "list",
    default: ["/usr/share/containers/oci/hooks.d"],
    flag: "hooks-dir",
    env: ["CONTAINER_HOOKS_DIR"],
    doc: "Directories with OCI hooks (oci-hooks); on equal file names the last directory counts.",
  },
} as const satisfies Section;
