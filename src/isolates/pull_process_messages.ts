/**
 * What crid and a process that pulls for it tell each other, beside the frames of the tunnel.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import type { PullRole } from "./messages.ts";
import type { TunnelFrame } from "./port_tunnel.ts";

/** From `cri` to the process. */
export type ToPullProcess =
  | TunnelFrame
  | {
    readonly kind: "start";
    readonly id: number;
    readonly role: PullRole;
    /** The number of the port that leads to the isolate. */
    readonly port: number;
    readonly config: Config;
    readonly version: string;
    readonly log: ProcessLog;
  }
  | { readonly kind: "release"; readonly id: number }
  /** Nobody uses this named channel any more. */
  | { readonly kind: "forget"; readonly channel: number };

/** How the process logs: to its standard error, or line by line to `cri`. */
export interface ProcessLog {
  readonly level: string;
  readonly format: "text" | "json";
  readonly filter: string;
  readonly to: "stderr" | "cri";
}

/** From the process to `cri`. */
export type FromPullProcess =
  | TunnelFrame
  /** An isolate has died by itself. */
  | { readonly kind: "gone"; readonly id: number }
  | { readonly kind: "log"; readonly line: string };
