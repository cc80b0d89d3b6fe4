/**
 * What the supervisor and its isolates tell each other.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import type { WorkerLog } from "../observe/mod.ts";

/** The isolates of a pull. */
export type PullRole = "pull" | "unpack";

/** Where the built parts of crid are on this host. Plain data. */
export interface Installation {
  /** Directory with the native helpers. */
  readonly directory: string;
  /** Path of `crid-native`, which is all of them; `pinns` and `pause` beside it are links to it. */
  readonly native: string;
  /** Path of crid's own monitor. */
  readonly monitor: string;
  readonly version: string;
}

/** From the supervisor to `cri`. */
export type ToCri =
  | {
    readonly kind: "start";
    readonly config: Config;
    readonly installation: Installation;
    readonly log: WorkerLog;
  }
  /** The isolate asked for by `need`; `port` leads to it. */
  | { readonly kind: "isolate"; readonly id: number; readonly port: MessagePort }
  /** An isolate of a pull has died by itself. */
  | { readonly kind: "gone"; readonly id: number }
  /** The configuration that counts from now on, but for what only a start can change. */
  | { readonly kind: "reload"; readonly config: Config }
  | { readonly kind: "stop" };

/** From `cri` to the supervisor. */
export type FromCri =
  /** The socket answers. */
  | { readonly kind: "ready" }
  /** It cannot start, and trying again would not help. */
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "need"; readonly id: number; readonly role: PullRole }
  | { readonly kind: "release"; readonly id: number }
  /** `message` says why the configuration stays as it was. */
  | { readonly kind: "reloaded"; readonly message: string | undefined }
  | { readonly kind: "stopped" };

/** From the supervisor to an isolate of a pull. */
export interface ToPull {
  readonly config: Config;
  readonly version: string;
  readonly log: WorkerLog;
  /** Leads to `cri`. */
  readonly port: MessagePort;
}
