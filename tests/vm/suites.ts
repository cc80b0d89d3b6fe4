/**
 * The Debian releases that virtual nodes are made of.
 *
 * @module
 */

/** One release and what is installed. */
export interface Suite {
  readonly name: string;
  readonly packages: readonly string[];
}

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

/** By name; the first is the default. */
export const SUITES: readonly Suite[] = [
  { name: "bookworm", packages: PACKAGES },
  { name: "trixie", packages: PACKAGES },
];

/** @throws When no release has that name. */
export function suiteNamed(name: string): Suite {
  const suite = SUITES.find((each) => each.name === name);
  if (suite !== undefined) return suite;
  const names = SUITES.map((each) => each.name).join(", ");
  throw new Error(`there is no image of ${name}; there are ${names}`);
}
