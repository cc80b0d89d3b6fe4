import type { Section } from "../setting.ts";

/** `[crio.nri.default_validator]`: what NRI plugins may not change. */
const DEFAULT_VALIDATOR = {
  nri_enable_default_validator: {
    type: "boolean",
    default: false,
    flag: "nri-enable-default-validator",
    built: false,
    doc: "Whether the built-in validator looks at the adjustments of NRI plugins.",
  },
  nri_validator_reject_oci_hook_adjustment: {
    type: "boolean",
    default: false,
    flag: "nri-validator-reject-oci-hook-adjustment",
    built: false,
    doc: "Refuses plugins that add OCI hooks.",
  },
  nri_validator_reject_runtime_default_seccomp_adjustment: {
    type: "boolean",
    default: false,
    flag: "nri-validator-reject-runtime-default-seccomp-adjustment",
    built: false,
    doc: "Refuses plugins that change the runtime's default seccomp profile.",
  },
  nri_validator_reject_unconfined_seccomp_adjustment: {
    type: "boolean",
    default: false,
    flag: "nri-validator-reject-unconfined-seccomp-adjustment",
    built: false,
    doc: "Refuses plugins that set a seccomp profile where there is none.",
  },
  nri_validator_reject_custom_seccomp_adjustment: {
    type: "boolean",
    default: false,
    flag: "nri-validator-reject-custom-seccomp-adjustment",
    built: false,
    doc: "Refuses plugins that change a seccomp profile of the user's own.",
  },
  nri_validator_reject_namespace_adjustment: {
    type: "boolean",
    default: false,
    flag: "nri-validator-reject-namespace-adjustment",
    built: false,
    doc: "Refuses plugins that change namespaces.",
  },
  nri_validator_required_plugins: {
    type: "list",
    default: [],
    flag: "nri-validator-required-plugins",
    built: false,
    doc: "Plugins without which no container is created.",
  },
  nri_validator_tolerate_missing_plugins_annotation: {
    type: "string",
    default: "",
    flag: "nri-validator-tolerate-missing-plugins-annotation",
    built: false,
    doc: "Pod annotation that lets a pod do without the required plugins.",
  },
} as const satisfies Section;

/** `[crio.nri]`: the Node Resource Interface. */
export const NRI = {
  enable_nri: {
    type: "boolean",
    default: true,
    flag: "enable-nri",
    built: false,
    without: false,
    doc: "Whether NRI plugins are served. crid does not serve them yet, whatever this says.",
  },
  nri_listen: {
    type: "string",
    default: "/var/run/nri/nri.sock",
    flag: "nri-listen",
    built: false,
    doc: "Unix socket for NRI plugins.",
  },
  nri_plugin_dir: {
    type: "string",
    default: "/opt/nri/plugins",
    flag: "nri-plugin-dir",
    built: false,
    doc: "Directory with NRI plugins to start.",
  },
  nri_plugin_config_dir: {
    type: "string",
    default: "/etc/nri/conf.d",
    flag: "nri-plugin-config-dir",
    built: false,
    doc: "Directory with configurations of NRI plugins.",
  },
  nri_plugin_registration_timeout: {
    type: "duration",
    default: 5000,
    flag: "nri-plugin-registration-timeout",
    built: false,
    doc: "How long a plugin may take to register.",
  },
  nri_plugin_request_timeout: {
    type: "duration",
    default: 2000,
    flag: "nri-plugin-request-timeout",
    built: false,
    doc: "How long a plugin may take to answer.",
  },
  nri_disable_connections: {
    type: "boolean",
    default: false,
    flag: "nri-disable-connections",
    built: false,
    doc: "Whether plugins that crid did not start are refused.",
  },
  default_validator: {
    type: "table",
    of: DEFAULT_VALIDATOR,
    doc: "The built-in validator of NRI adjustments.",
  },
} as const satisfies Section;
