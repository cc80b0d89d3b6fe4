import { absolutePath } from "../check.ts";
import type { Section } from "../setting.ts";

/** `[crio]`: where things are kept. */
export const CRIO = {
  root: {
    type: "string",
    default: "/var/lib/containers/storage",
    flag: "root",
    aliases: ["r"],
    env: ["CONTAINER_ROOT"],
    doc: "Directory of the image and container store, shared with podman, buildah and skopeo. " +
      'The default comes from storage.conf (graphroot); "" means that value too.',
  },
  runroot: {
    type: "string",
    default: "/run/containers/storage",
    flag: "runroot",
    env: ["CONTAINER_RUNROOT"],
    doc: "Directory for the store's state that must not survive a reboot. " +
      'The default comes from storage.conf (runroot); "" means that value too.',
  },
  imagestore: {
    type: "string",
    default: "",
    flag: "imagestore",
    env: ["CONTAINER_IMAGESTORE"],
    doc: "Separate directory for images; containers stay below root. " +
      'The default comes from storage.conf (imagestore); "" keeps images below root.',
  },
  storage_driver: {
    type: "string",
    default: "overlay",
    flag: "storage-driver",
    aliases: ["s"],
    env: ["CONTAINER_STORAGE_DRIVER"],
    doc: 'Storage driver. The default comes from storage.conf (driver); "" means that value too. ' +
      "crid serves with overlay; with btrfs, where the storage root is on that file system; and " +
      "with vfs, which copies whole trees, where the kernel or the file system cannot overlay.",
  },
  storage_option: {
    type: "list",
    default: [],
    concatenate: true,
    flag: "storage-opt",
    env: ["CONTAINER_STORAGE_OPT"],
    doc: "Options of the storage driver. The lists of storage.conf, this file and the drop-ins " +
      "are joined, and of equal entries the last one counts.",
  },
  log_dir: {
    type: "string",
    default: "/var/log/crio/pods",
    flag: "log-dir",
    env: ["CONTAINER_LOG_DIR"],
    check: absolutePath("log_dir"),
    doc: "Directory for container logs of pods whose creator names no log directory. " +
      "Must be absolute; is made with mode 0700.",
  },
  version_file: {
    type: "string",
    default: "/var/run/crio/version",
    flag: "version-file",
    env: ["CONTAINER_VERSION_FILE"],
    doc: "File with the version that last ran since boot. Must lie on a tmpfs: when the file is " +
      "missing, the machine was rebooted.",
  },
  version_file_persist: {
    type: "string",
    default: "",
    flag: "version-file-persist",
    env: ["CONTAINER_VERSION_FILE_PERSIST"],
    doc: "File with the version that last ran, kept over reboots; images are wiped when the " +
      'minor version has changed. "" never wipes images.',
  },
  clean_shutdown_file: {
    type: "string",
    default: "/var/lib/crio/clean.shutdown",
    flag: "clean-shutdown-file",
    env: ["CONTAINER_CLEAN_SHUTDOWN_FILE"],
    doc: "File that is there when the last shutdown left the store in order. " +
      '"" switches the check off.',
  },
  internal_wipe: {
    type: "boolean",
    default: true,
    flag: "internal-wipe",
    env: ["CONTAINER_INTERNAL_WIPE"],
    deprecated: "the daemon wipes by itself",
    doc: "Whether the daemon removes containers and images that are due to be wiped at start, " +
      "so that no separate wipe unit is needed.",
  },
  internal_repair: {
    type: "boolean",
    default: true,
    flag: "internal-repair",
    env: ["CONTAINER_INTERNAL_REPAIR"],
    doc: "Whether the daemon checks and repairs the store at start after an unclean shutdown.",
  },
} as const satisfies Section;
