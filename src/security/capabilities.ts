import { readFileSync } from "node:fs";
import { CridError } from "../failure/mod.ts";

/** Every capability that Linux has, in the kernel's order: the index is the bit (capability.h). */
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

/** The five sets of the OCI runtime spec. */
export interface CapabilitySets {
  readonly bounding: string[];
  readonly effective: string[];
  readonly permitted: string[];
  readonly inheritable: string[];
  readonly ambient: string[];
}

/** What a container's capabilities are decided from. Names with or without `CAP_`, in any case. */
export interface CapabilityRequest {
  /** `default_capabilities` of the configuration. */
  readonly defaults: readonly string[];
  readonly add: readonly string[];
  readonly drop: readonly string[];
  /** `privileged` gets every capability that this process holds. */
  readonly mode: "normal" | "privileged";
  /** `add_inheritable_capabilities` of the configuration. */
  readonly inheritable: "empty" | "same";
  /** What this process may hand on; default {@linkcode heldCapabilities}. */
  readonly held?: ReadonlySet<string>;
}

const KNOWN: ReadonlySet<string> = new Set(CAPABILITIES);

/** `net_admin` and `CAP_NET_ADMIN` are the same thing. */
export function capabilityName(name: string): string {
  const upper = name.trim().toUpperCase();
  return upper === "ALL" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
}

/** Whether the kernel's table has this capability (after {@linkcode capabilityName}). */
export function isCapability(name: string): boolean {
  return KNOWN.has(capabilityName(name));
}

let held: ReadonlySet<string> | undefined;

/**
 * The bounding set of this process. A runtime cannot give a container more than that: capset(2)
 * fails, and with it the whole container.
 */
export function heldCapabilities(): ReadonlySet<string> {
  held ??= parseHeld(readFileSync("/proc/self/status", "utf8"));
  return held;
}

/** Reads the `CapBnd` line of a `/proc/<pid>/status`. */
export function parseHeld(status: string): ReadonlySet<string> {
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return new Set(CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n));
}

/**
 * Decides a container's capabilities: the configured defaults, unless `ALL` is added or dropped,
 * then what is added, then what is dropped; clamped to what this process holds.
 *
 * @throws {CridError} `invalid_argument`: `unknown capability "CAP_X" to add`.
 */
export function capabilitySets(request: CapabilityRequest): CapabilitySets {
  const limit = request.held ?? heldCapabilities();
  const wanted = request.mode === "privileged" ? KNOWN : wantedCapabilities(request);
  const list = CAPABILITIES.filter((name) => wanted.has(name) && limit.has(name));
  return {
    bounding: [...list],
    effective: [...list],
    permitted: [...list],
    inheritable: request.inheritable === "same" ? [...list] : [],
    ambient: [],
  };
}

function wantedCapabilities(request: CapabilityRequest): Set<string> {
  const add = request.add.map(capabilityName);
  const drop = request.drop.map(capabilityName);
  const wanted = new Set<string>();
  if (!add.includes("ALL") && !drop.includes("ALL")) {
    for (const name of request.defaults) wanted.add(capabilityName(name));
  }
  if (add.includes("ALL")) { for (const name of CAPABILITIES) wanted.add(name); }
  if (drop.includes("ALL")) wanted.clear();
  for (const name of add) {
    if (name === "ALL") continue;
    if (!KNOWN.has(name)) {
      throw new CridError("invalid_argument", `unknown capability "${name}" to add`);
    }
    wanted.add(name);
  }
  for (const name of drop) wanted.delete(name);
  return wanted;
}
