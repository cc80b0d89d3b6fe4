import { absolutePath } from "../check.ts";
import type { Section } from "../setting.ts";

/** `[crio.image]`: how images are pulled and kept. */
export const IMAGE = {
  default_transport: {
    type: "string",
    default: "docker://",
    flag: "default-transport",
    env: ["CONTAINER_DEFAULT_TRANSPORT"],
    used: false,
    doc: "Where images come from when their name does not say it. Only docker:// has a meaning.",
  },
  global_auth_file: {
    type: "string",
    default: "",
    flag: "global-auth-file",
    env: ["CONTAINER_GLOBAL_AUTH_FILE"],
    doc: "File with registry credentials (containers-auth.json), used when the request brings " +
      'none; "" looks in the usual places.',
  },
  namespaced_auth_dir: {
    type: "string",
    default: "/etc/crio/auth",
    flag: "namespaced-auth-dir",
    env: ["CONTAINER_NAMESPACED_AUTH_DIR"],
    hidden: true,
    check: absolutePath("namespaced_auth_dir"),
    doc: "Directory with credential files for single pod namespaces.",
  },
  pause_image: {
    type: "string",
    default: "registry.k8s.io/pause:3.10.1",
    flag: "pause-image",
    env: ["CONTAINER_PAUSE_IMAGE"],
    reload: true,
    doc: "Name that is reported as the sandbox image. crid brings its own pause program and " +
      "never pulls this image.",
  },
  pause_image_auth_file: {
    type: "string",
    default: "",
    flag: "pause-image-auth-file",
    env: ["CONTAINER_PAUSE_IMAGE_AUTH_FILE"],
    reload: true,
    used: false,
    doc: "Credentials for pulling pause_image. crid does not pull it.",
  },
  pause_command: {
    type: "string",
    default: "/pause",
    flag: "pause-command",
    env: ["CONTAINER_PAUSE_COMMAND"],
    reload: true,
    used: false,
    doc: "Command of an infra container in pause_image. crid runs its own pause program.",
  },
  pinned_images: {
    type: "list",
    default: [],
    flag: "pinned-images",
    env: ["CONTAINER_PINNED_IMAGES"],
    reload: true,
    doc: "Images that the kubelet must not collect: a whole name, prefix* or *part*. " +
      "pause_image is always among them.",
  },
  signature_policy: {
    type: "string",
    default: "",
    flag: "signature-policy",
    env: ["CONTAINER_SIGNATURE_POLICY"],
    doc: 'Policy file that decides which images may be pulled (policy.json); "" means the ' +
      "system's, /etc/containers/policy.json.",
  },
  signature_policy_dir: {
    type: "string",
    default: "/etc/crio/policies",
    flag: "signature-policy-dir",
    env: ["CONTAINER_SIGNATURE_POLICY_DIR"],
    check: absolutePath("signature_policy_dir"),
    doc: "Directory with policy files for single pod namespaces, <namespace>.json.",
  },
  insecure_registries: {
    type: "list",
    default: [],
    flag: "insecure-registry",
    env: ["CONTAINER_INSECURE_REGISTRY"],
    deprecated: "set insecure = true for the registry in registries.conf",
    doc:
      "Registries that may speak plain HTTP or have a bad certificate: hosts, with or without their " +
      "port, and ranges of addresses (10.0.0.0/8). CRI-O reads the key and does nothing.",
  },
  image_volumes: {
    type: "string",
    default: "mkdir",
    choices: ["mkdir", "bind", "ignore"],
    refusal: "unrecognized image volume type specified",
    flag: "image-volumes",
    env: ["CONTAINER_IMAGE_VOLUMES"],
    doc: "What becomes of the volumes that an image declares: mkdir makes a directory in the " +
      "container's root, bind mounts a directory of its own, ignore does nothing.",
  },
  big_files_temporary_dir: {
    type: "string",
    default: "",
    flag: "big-files-temporary-dir",
    env: ["CONTAINER_BIG_FILES_TEMPORARY_DIR"],
    doc: "Directory for large temporary files, such as an archive that has to be decompressed; " +
      '"" means /var/tmp.',
  },
  archive_dir: {
    type: "string",
    default: "/var/lib/crid/images",
    flag: "image-archive-dir",
    env: ["CONTAINER_IMAGE_ARCHIVE_DIR"],
    doc: "crid's own: directory with image archives (docker save, podman save, OCI layouts) that " +
      'are imported at start, before the socket serves, for nodes without a registry; "" for none.',
  },
  auto_reload_registries: {
    type: "boolean",
    default: false,
    flag: "auto-reload-registries",
    env: ["AUTO_RELOAD_REGISTRIES"],
    doc:
      "Whether registries.conf is read again as soon as it changes. crid reads it and its drop-ins " +
      "for every pull, whatever this says.",
  },
  pull_progress_timeout: {
    type: "duration",
    default: 0,
    flag: "pull-progress-timeout",
    env: ["CONTAINER_PULL_PROGRESS_TIMEOUT"],
    doc: "A pull that receives nothing for this long is given up; 0s never gives up.",
  },
  oci_artifact_mount_support: {
    type: "boolean",
    default: true,
    flag: "oci-artifact-mount-support",
    env: ["CONTAINER_OCI_ARTIFACT_SUPPORT"],
    doc: "Whether OCI artifacts can be mounted as volumes.",
  },
  short_name_mode: {
    type: "string",
    default: "enforcing",
    choices: ["enforcing", "disabled"],
    flag: "short-name-mode",
    env: ["CONTAINER_SHORT_NAME_MODE"],
    doc: "enforcing refuses a name without a registry that could mean several images; disabled " +
      "tries the search registries in order.",
  },
} as const satisfies Section;
