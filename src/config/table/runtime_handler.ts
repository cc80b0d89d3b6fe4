import { allowedAnnotations, platformPaths } from "../check.ts";
import type { Section } from "../setting.ts";

/** `[crio.runtime.runtimes.<name>]`: one OCI runtime that pods can ask for. */
export const RUNTIME_HANDLER = {
  runtime_path: {
    type: "string",
    default: "",
    doc: "The OCI runtime's executable; \"\" looks for a program of the handler's name in $PATH.",
  },
  runtime_type: {
    type: "string",
    default: "oci",
    choices: ["oci", "vm", "pod"],
    doc: 'Kind of runtime: oci (runc, crun and the like; also ""), vm (a containerd shim) or pod ' +
      "(conmon-rs). crid serves with oci.",
  },
  runtime_root: {
    type: "string",
    default: "/run/crun",
    doc: 'Directory for the runtime\'s state, given to it as --root; "" means the default.',
  },
  runtime_config_path: {
    type: "string",
    default: "",
    built: false,
    doc: "Configuration file of a runtime of type vm; an error with other types.",
  },
  inherit_default_runtime: {
    type: "boolean",
    default: false,
    doc: "Takes runtime_path, runtime_type, runtime_config_path and runtime_root from the " +
      "default runtime.",
  },
  privileged_without_host_devices: {
    type: "boolean",
    default: false,
    doc: "Whether privileged containers get no devices of the host.",
  },
  allowed_annotations: {
    type: "list",
    default: [],
    check: allowedAnnotations,
    doc:
      "Pod annotations that this handler obeys; others of CRI-O's annotations are dropped. Some " +
      "are refused with the container that has them, for crid has not built what they ask for: " +
      "seccomp-profile.crio.io, seccomp-notifier-action.crio.io, cpu-load-balancing.crio.io and " +
      "the classes of RDT.",
  },
  default_annotations: {
    type: "map",
    default: {},
    doc: "Annotations that pods of this handler have unless they set them themselves.",
  },
  monitor_path: {
    type: "string",
    default: "",
    doc:
      'The executable of a conmon-compatible monitor, found in $PATH if it has no slash; "" means ' +
      "crid's own monitor, which needs nothing on the node.",
  },
  monitor_cgroup: {
    type: "string",
    default: "",
    doc: "Where monitors run: pod for the pod's cgroup, or a slice with the systemd cgroup " +
      'manager. "" means system.slice with systemd, and crid\'s own cgroup with cgroupfs.',
  },
  monitor_env: {
    type: "list",
    default: [],
    secret: true,
    doc: "Environment of the monitor and of the runtime that it starts, as NAME=value.",
  },
  monitor_exec_cgroup: {
    type: "string",
    default: "",
    choices: ["", "container"],
    used: false,
    doc: "Where the monitors of exec run. crid starts none for it.",
  },
  platform_runtime_paths: {
    type: "map",
    default: {},
    check: platformPaths,
    doc: "Other executables by the image's platform, os/arch to path.",
  },
  container_min_memory: {
    type: "string",
    default: "",
    doc: "Smallest memory limit that a container may have, such as 12MiB. " +
      '"" means 500KiB for the built-in crun handler and 12MiB for any other.',
  },
  container_create_timeout: {
    type: "integer",
    default: 240,
    doc: "Seconds that creating a container may take; 0 means the default and less than 30 " +
      "means 30.",
  },
  no_sync_log: {
    type: "boolean",
    default: false,
    doc: "Whether the monitor does not sync the log to disk when the container ends.",
  },
  seccomp_profile: {
    type: "string",
    default: "",
    doc: 'Seccomp profile for RuntimeDefault with this handler; "" means crio.runtime\'s.',
  },
  exec_cpu_affinity: {
    type: "string",
    default: "",
    choices: ["", "first"],
    doc: "first pins commands of exec to the first CPU of a container that has CPUs of its own " +
      '(cpuset); "" does not pin them.',
  },
  runtime_pull_image: {
    type: "boolean",
    default: false,
    built: false,
    doc: "Whether a runtime of type vm pulls images inside the guest.",
  },
  stream_websockets: {
    type: "boolean",
    default: false,
    built: false,
    doc: "Whether a monitor of type pod serves exec and attach over WebSocket by itself.",
  },
} as const satisfies Section;

/** What the built-in crun handler sets besides the defaults. */
export const BUILT_IN_CRUN = {
  allowed_annotations: ["io.containers.trace-syscall", "devices.crio.io"],
  monitor_env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  container_min_memory: "500KiB",
} as const;
