import type { Section } from "../setting.ts";

/** Profiles and classes that containers are confined by, and who makes cgroups. */
export const CONFINEMENT = {
  seccomp_profile: {
    type: "string",
    default: "",
    flag: "seccomp-profile",
    env: ["CONTAINER_SECCOMP_PROFILE"],
    reload: true,
    doc: 'Seccomp profile for RuntimeDefault (JSON); "" means the built-in one.',
  },
  privileged_seccomp_profile: {
    type: "string",
    default: "",
    flag: "privileged-seccomp-profile",
    env: ["CONTAINER_PRIVILEGED_SECCOMP_PROFILE"],
    reload: true,
    doc: 'Seccomp profile for privileged containers; "" means none.',
  },
  apparmor_profile: {
    type: "string",
    default: "crio-default",
    flag: "apparmor-profile",
    env: ["CONTAINER_APPARMOR_PROFILE"],
    reload: true,
    doc:
      "AppArmor profile for RuntimeDefault. crio-default is built in; any other must be loaded " +
      "already.",
  },
  blockio_config_file: {
    type: "string",
    default: "",
    flag: "blockio-config-file",
    reload: true,
    doc:
      'File with block I/O classes, which annotations of pods and containers name; "" means none.',
  },
  blockio_reload: {
    type: "boolean",
    default: false,
    flag: "blockio-reload",
    reload: true,
    doc: "Whether block devices are scanned again each time a class is applied.",
  },
  rdt_config_file: {
    type: "string",
    default: "",
    flag: "rdt-config-file",
    reload: true,
    built: false,
    doc: 'File with Intel RDT classes; "" means no classes. Containers that name one are refused.',
  },
  irqbalance_config_file: {
    type: "string",
    default: "/etc/sysconfig/irqbalance",
    flag: "irqbalance-config-file",
    doc:
      "irqbalance's configuration, in which the CPUs are banned of guaranteed containers that ask " +
      "for it by the annotation irq-load-balancing.crio.io. irqbalance is started again then, by " +
      "systemctl.",
  },
  irqbalance_config_restore_file: {
    type: "string",
    default: "/etc/sysconfig/orig_irq_banned_cpus",
    flag: "irqbalance-config-restore-file",
    doc:
      "File with the banned CPUs to restore at the first start after a boot; it is made when it is " +
      "missing. disable restores none.",
  },
  cgroup_manager: {
    type: "string",
    default: "systemd",
    choices: ["systemd", "cgroupfs"],
    flag: "cgroup-manager",
    env: ["CONTAINER_CGROUP_MANAGER"],
    doc: "Who makes cgroups: systemd or cgroupfs. It must be what the kubelet uses.",
  },
} as const satisfies Section;
