/**
 * What virtual nodes are made of: Debian releases and kernels.
 *
 * @module
 */

/** One release and what is installed. */
export interface Suite {
  readonly name: string;
  /** Of Debian. */
  readonly release: string;
  /**
   * What the kernel runs on: `qemu` emulates a machine, slowly; `uml` is a kernel that runs as a
   * process of this machine, User-Mode Linux: nearly as fast, with one processor, and without some
   * things that Debian leaves out of it (cpuset, pressure, nftables for IPv4).
   */
  readonly machine: "qemu" | "uml";
  /** Specs of critest that its kernel cannot run: a regular expression over their names. */
  readonly cannot?: string;
  readonly packages: readonly string[];
  /** Scripts of `guest/`, run in this order in the new root. */
  readonly provision: readonly string[];
}

/** Which security module the kernel runs beside the small ones. */
export type SecurityModule = "apparmor" | "selinux";

/** Of these two the kernel takes one. */
export const LSM_ARGUMENTS: Readonly<Record<SecurityModule, readonly string[]>> = {
  apparmor: ["lsm=landlock,lockdown,yama,apparmor,bpf"],
  selinux: ["lsm=landlock,lockdown,yama,selinux,bpf", "selinux=1"],
};

/** What a Kubernetes node has, and what crid's tests start. */
const packagesWith = (kernel: string) => [
  ...["systemd", "systemd-sysv", "dbus", "udev", "kmod", "initramfs-tools"],
  kernel,
  ...["apparmor"],
  ...["runc", "crun", "conmon", "containernetworking-plugins"],
  ...["iptables", "nftables", "iproute2", "procps", "psmisc", "util-linux", "mount", "attr"],
  ...["busybox", "ca-certificates", "docker-registry", "skopeo", "jq", "socat", "sudo"],
  ...["uuid-runtime", "strace", "zstd"],
];

/** Without drivers for hardware. */
const CLOUD_KERNEL = "linux-image-cloud-amd64";
const UML_KERNEL = "user-mode-linux";

/** Since Linux 6.3. */
const ID_MAPPED_TMPFS = "Host idmap mount support is needed";

/**
 * By name; the first is the default. Only the policy of the second knows containers: that of
 * Debian 12 has no `container_t`.
 */
export const SUITES: readonly Suite[] = [
  {
    ...{ name: "bookworm", release: "bookworm", machine: "qemu", cannot: ID_MAPPED_TMPFS },
    packages: packagesWith(CLOUD_KERNEL),
    provision: ["provision"],
  },
  {
    ...{ name: "trixie", release: "trixie", machine: "qemu" },
    packages: [...packagesWith(CLOUD_KERNEL), "selinux-policy-default"],
    provision: ["provision", "provision-selinux"],
  },
  {
    ...{ name: "uml-bookworm", release: "bookworm", machine: "uml", cannot: ID_MAPPED_TMPFS },
    packages: packagesWith(UML_KERNEL),
    provision: ["provision", "provision-uml"],
  },
  {
    ...{ name: "uml-trixie", release: "trixie", machine: "uml" },
    packages: packagesWith(UML_KERNEL),
    provision: ["provision", "provision-uml"],
  },
];

/** @throws When no release has that name. */
export function suiteNamed(name: string): Suite {
  const suite = SUITES.find((each) => each.name === name);
  if (suite !== undefined) return suite;
  const names = SUITES.map((each) => each.name).join(", ");
  throw new Error(`there is no image of ${name}; there are ${names}`);
}
