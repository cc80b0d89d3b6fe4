import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { processStatus } from "./proc.ts";

/** Resource limits by the names of the OCI runtime specification, in the order of their numbers. */
export const RLIMITS = [
  "RLIMIT_CPU",
  "RLIMIT_FSIZE",
  "RLIMIT_DATA",
  "RLIMIT_STACK",
  "RLIMIT_CORE",
  "RLIMIT_RSS",
  "RLIMIT_NPROC",
  "RLIMIT_NOFILE",
  "RLIMIT_MEMLOCK",
  "RLIMIT_AS",
  "RLIMIT_LOCKS",
  "RLIMIT_SIGPENDING",
  "RLIMIT_MSGQUEUE",
  "RLIMIT_NICE",
  "RLIMIT_RTPRIO",
  "RLIMIT_RTTIME",
] as const;

/** One of {@linkcode RLIMITS}. */
export type RlimitName = (typeof RLIMITS)[number];

/** A limit; `18446744073709551615n` is no limit. */
export interface Rlimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** No limit. */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** A limit of a process, 0 for this one. @throws {Errno} */
export function getRlimit(name: RlimitName, pid = 0): Rlimit {
  const buffer = new Uint8Array(16);
  check(libc().prlimit(pid, RLIMITS.indexOf(name), null, buffer), "prlimit", name);
  const view = new DataView(buffer.buffer);
  return { soft: view.getBigUint64(0, true), hard: view.getBigUint64(8, true) };
}

/** Capabilities in the order of their numbers (linux/capability.h). */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** One of {@linkcode CAPABILITIES}. */
export type Capability = (typeof CAPABILITIES)[number];

/** The capabilities of a set of a process, by default this one's bounding set. */
export function capabilities(
  set: "bounding" | "effective" | "permitted" | "inheritable" | "ambient" = "bounding",
  pid: number | "self" = "self",
): ReadonlySet<Capability> {
  const field = {
    bounding: "CapBnd",
    effective: "CapEff",
    permitted: "CapPrm",
    inheritable: "CapInh",
    ambient: "CapAmb",
  }[set];
  const mask = BigInt(`0x${processStatus(pid)?.get(field) ?? "0"}`);
  return new Set(CAPABILITIES.filter((_, number) => (mask >> BigInt(number)) & 1n));
}
