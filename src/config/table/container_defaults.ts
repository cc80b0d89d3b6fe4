import { absolutePaths, capabilities, devices, notNegative, sysctls, ulimits } from "../check.ts";
import type { Section } from "../setting.ts";

/** What containers get unless they ask for something else. */
export const CONTAINER_DEFAULTS = {
  default_capabilities: {
    type: "list",
    default: [
      "CHOWN",
      "DAC_OVERRIDE",
      "FSETID",
      "FOWNER",
      "SETGID",
      "SETUID",
      "SETPCAP",
      "NET_BIND_SERVICE",
      "KILL",
    ],
    flag: "default-capabilities",
    env: ["CONTAINER_DEFAULT_CAPABILITIES"],
    check: capabilities,
    doc: "Capabilities of a container that asks for none, without CAP_.",
  },
  add_inheritable_capabilities: {
    type: "boolean",
    default: false,
    flag: "add-inheritable-capabilities",
    env: ["CONTAINER_ADD_INHERITABLE_CAPABILITIES"],
    doc: "Whether capabilities are inheritable too, as they were before CRI-O 1.24.",
  },
  default_env: {
    type: "list",
    default: [],
    flag: "default-env",
    env: ["CONTAINER_DEFAULT_ENV"],
    secret: true,
    doc: "Environment of every container, NAME=value; image and pod override it.",
  },
  min_injected_gomaxprocs: {
    type: "integer",
    default: 0,
    flag: "min-injected-gomaxprocs",
    env: ["CONTAINER_INJECT_GOMAXPROCS"],
    check: notNegative("min_injected_gomaxprocs"),
    doc: "Least value of the GOMAXPROCS variable that containers without a CPU limit get; 0 " +
      "injects none.",
  },
  default_sysctls: {
    type: "list",
    default: [],
    flag: "default-sysctls",
    env: ["CONTAINER_DEFAULT_SYSCTLS"],
    check: sysctls,
    doc: "Sysctls of every pod, name=value without blanks. One that belongs to a namespace that " +
      "the pod shares with the host is left out with a warning.",
  },
  default_ulimits: {
    type: "list",
    default: [],
    flag: "default-ulimits",
    env: ["CONTAINER_DEFAULT_ULIMITS"],
    check: ulimits,
    doc: "Resource limits of every container, name=soft:hard, such as nofile=1024:2048; -1 means " +
      "no limit.",
  },
  allowed_devices: {
    type: "list",
    default: ["/dev/fuse", "/dev/net/tun"],
    flag: "allowed-devices",
    env: ["CONTAINER_ALLOWED_DEVICES"],
    doc: "Devices that pods may ask for with the annotation devices.crio.io.",
  },
  additional_devices: {
    type: "list",
    default: [],
    flag: "additional-devices",
    env: ["CONTAINER_ADDITIONAL_DEVICES"],
    check: devices,
    doc: "Devices for every container, host[:container][:permissions], such as " +
      "/dev/sdc:/dev/xvdc:rwm.",
  },
  cdi_spec_dirs: {
    type: "list",
    default: ["/etc/cdi", "/var/run/cdi"],
    flag: "cdi-spec-dirs",
    env: ["CONTAINER_CDI_SPEC_DIRS"],
    reload: true,
    doc: "Directories with CDI specifications; later ones win.",
  },
  device_ownership_from_security_context: {
    type: "boolean",
    default: false,
    flag: "device-ownership-from-security-context",
    doc: "Whether devices belong to the user and group that the container runs as.",
  },
  decryption_keys_path: {
    type: "string",
    default: "/etc/crio/keys/",
    flag: "decryption-keys-path",
    reload: true,
    built: false,
    doc: "Directory with keys for encrypted images.",
  },
  additional_artifact_stores: {
    type: "list",
    default: [],
    flag: "additional-artifact-stores",
    check: absolutePaths("additional_artifact_stores"),
    doc: "Read-only directories with OCI artifacts (in artifacts below them), searched before a " +
      "registry is asked.",
  },
} as const satisfies Section;
