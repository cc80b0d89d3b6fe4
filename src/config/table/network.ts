import { notNegative } from "../check.ts";
import type { Section } from "../setting.ts";

/** `[crio.network]`: CNI. */
export const NETWORK = {
  cni_default_network: {
    type: "string",
    default: "",
    flag: "cni-default-network",
    env: ["CONTAINER_CNI_DEFAULT_NETWORK"],
    doc: 'Name of the CNI network for pods; "" means the first configuration in network_dir.',
  },
  network_dir: {
    type: "string",
    default: "/etc/cni/net.d/",
    flag: "cni-config-dir",
    env: ["CONTAINER_CNI_CONFIG_DIR"],
    doc: "Directory with CNI configurations. Is made when missing.",
  },
  plugin_dirs: {
    type: "list",
    default: ["/opt/cni/bin/"],
    flag: "cni-plugin-dir",
    env: ["CONTAINER_CNI_PLUGIN_DIR"],
    doc: "Directories with CNI plugins, in order of search.",
  },
  plugin_dir: {
    type: "string",
    default: "",
    deprecated: "add the directory to plugin_dirs",
    doc: "One more directory with CNI plugins, searched last.",
  },
  cni_status_grace_period: {
    type: "duration",
    default: 0,
    flag: "cni-status-grace-period",
    env: ["CNI_STATUS_GRACE_PERIOD"],
    check: notNegative("cni_status_grace_period"),
    doc: "How long the network may be unhealthy before the node is reported as not ready; 0s " +
      "never takes a ready network back.",
  },
} as const satisfies Section;
