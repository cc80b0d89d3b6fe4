import { cpuSet, logSizeMax, separatePullCgroup, timezone } from "../check.ts";
import type { Section } from "../setting.ts";

/** Limits of pods and containers, and what a node allows them. */
export const POD_RULES = {
  enable_criu_support: {
    type: "boolean",
    default: true,
    flag: "enable-criu-support",
    env: ["CONTAINER_ENABLE_CRIU_SUPPORT"],
    built: false,
    without: false,
    deprecated: "set container_level_enabled in [crio.checkpoint_restore]",
    doc: "false means container_level_enabled = none.",
  },
  pids_limit: {
    type: "integer",
    default: -1,
    flag: "pids-limit",
    env: ["CONTAINER_PIDS_LIMIT"],
    deprecated: "use the kubelet's podPidsLimit",
    doc: "Most processes in a container; negative sets no limit.",
  },
  log_size_max: {
    type: "integer",
    default: -1,
    flag: "log-size-max",
    env: ["CONTAINER_LOG_SIZE_MAX"],
    deprecated: "use the kubelet's containerLogMaxSize",
    check: logSizeMax,
    doc: "Largest container log in bytes, at least 8192; negative sets no limit.",
  },
  ctr_stop_timeout: {
    type: "integer",
    default: 30,
    flag: "ctr-stop-timeout",
    env: ["CONTAINER_STOP_TIMEOUT"],
    doc:
      "Seconds that a container may go on running after it was killed before stopping it is an " +
      "error. Less than 30 means 30.",
  },
  separate_pull_cgroup: {
    type: "string",
    default: "",
    flag: "separate-pull-cgroup",
    env: ["PULL_IN_A_CGROUP"],
    check: separatePullCgroup,
    doc:
      'cgroup for pulls, which then run in a process of their own: "pod" for the pod\'s; a slice, ' +
      "or with cgroupfs an absolute path, for all. Pulls for no pod stay in crid's own cgroup with " +
      '"pod", and all of them do with "".',
  },
  infra_ctr_cpuset: {
    type: "string",
    default: "",
    flag: "infra-ctr-cpuset",
    env: ["CONTAINER_INFRA_CTR_CPUSET"],
    check: cpuSet("infra_ctr_cpuset"),
    doc: 'CPUs for infra containers, as in 0-3,8; "" means all. Unlike CRI-O, crid leaves helper ' +
      "programs where they are: containers would inherit it.",
  },
  shared_cpuset: {
    type: "string",
    default: "",
    flag: "shared-cpuset",
    env: ["CONTAINER_SHARED_CPUSET"],
    check: cpuSet("shared_cpuset"),
    doc:
      "CPUs that guaranteed containers may share besides their own, as in 0-3,8, if their pods " +
      "ask for it by the annotation cpu-shared.crio.io/<container>.",
  },
  absent_mount_sources_to_reject: {
    type: "list",
    default: [],
    flag: "absent-mount-sources-to-reject",
    env: ["CONTAINER_ABSENT_MOUNT_SOURCES_TO_REJECT"],
    doc: "Host paths that must exist when a container mounts them; other missing sources are made.",
  },
  enable_pod_events: {
    type: "boolean",
    default: false,
    flag: "enable-pod-events",
    env: ["ENABLE_POD_EVENTS"],
    doc: "Whether GetContainerEvents sends events (evented PLEG).",
  },
  hostnetwork_disable_selinux: {
    type: "boolean",
    default: true,
    flag: "hostnetwork-disable-selinux",
    env: ["CONTAINER_HOSTNETWORK_DISABLE_SELINUX"],
    doc: "Whether pods in the host's network namespace get no SELinux process label.",
  },
  disable_hostport_mapping: {
    type: "boolean",
    default: false,
    flag: "disable-hostport-mapping",
    env: ["DISABLE_HOSTPORT_MAPPING"],
    doc:
      "Whether crid leaves host ports to the CNI plugins alone. Otherwise it maps those that no " +
      "plugin of the network maps, with nft.",
  },
  timezone: {
    type: "string",
    default: "",
    flag: "timezone",
    aliases: ["tz"],
    env: ["CONTAINER_TIME_ZONE"],
    check: timezone,
    doc: "Time zone of containers, an IANA name or Local for the host's; \"\" leaves the image's.",
  },
} as const satisfies Section;
