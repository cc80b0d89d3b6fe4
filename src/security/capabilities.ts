import { CridError } from "../failure/mod.ts";
import { CAPABILITIES, capabilities } from "../linux/mod.ts";

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

let held: ReadonlySet<string> | undefined;

/**
 * The bounding set of this process. A runtime cannot give a container more than that: capset(2)
 * fails, and with it the whole container.
 */
export function heldCapabilities(): ReadonlySet<string> {
  held ??= capabilities("bounding");
  return held;
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
