/**
 * The Debian releases that virtual nodes are made of.
 *
 * @module
 */

/** One release and what is installed. */
export interface Suite {
  readonly name: string;
  readonly packages: readonly string[];
  /** Scripts of `guest/`, run in this order in the new root. */
  readonly provision: readonly string[];
}

/** Which security module the kernel runs beside the small ones. */
export type SecurityModule = "apparmor" | "selinux";

/** What a Kubernetes node has, what crid's tests start, and a kernel without drivers for hardware. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "udev", "kmod", "initramfs-tools"],
  "linux-image-cloud-amd64",
  ...["apparmor"],
  ...["runc", "crun", "conmon", "containernetworking-plugins"],
  ...["iptables", "nftables", "iproute2", "procps", "psmisc", "util-linux", "mount", "attr"],
  ...["busybox", "ca-certificates", "docker-registry", "skopeo", "jq", "socat", "sudo"],
  ...["uuid-runtime", "strace", "zstd"],
];

/**
 * By name; the first is the default. Only the policy of the second knows containers: that of
 * Debian 12 has no `container_t`.
 */
export const SUITES: readonly Suite[] = [
  { name: "bookworm", packages: PACKAGES, provision: ["provision"] },
  {
    name: "trixie",
    packages: [...PACKAGES, "selinux-policy-default"],
    provision: ["provision", "provision-selinux"],
  },
];

/** @throws When no release has that name. */
export function suiteNamed(name: string): Suite {
  const suite = SUITES.find((each) => each.name === name);
  if (suite !== undefined) return suite;
  const names = SUITES.map((each) => each.name).join(", ");
  throw new Error(`there is no image of ${name}; there are ${names}`);
}
