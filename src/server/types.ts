/**
 * What the server serves, and what it needs from those who start it.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import type { Images } from "../image/mod.ts";
import type { Pods } from "../pod/mod.ts";
import type { MetricDescriptor, PodMetrics } from "../stats/mod.ts";
import type { OperationObserver } from "./grpc/implement.ts";

export type { OperationObserver };

/** Name and version of the runtime as clients see them. */
export interface RuntimeIdentity {
  /** `cri-o` for a drop-in, since some clients look at it. */
  readonly name: string;
  readonly version: string;
}

/** What the runtime as a whole can do, for Status. */
export interface RuntimeFeatures {
  readonly supplementalGroupsPolicy: boolean;
  readonly userNamespacesHostNetwork: boolean;
}

/** A command whose streams a client will connect to. */
export interface ExecStreams {
  readonly containerId: string;
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Opens the streams of exec, attach and port-forward; each answers a URL to connect to. */
export interface Streams {
  exec(request: ExecStreams, signal: AbortSignal): Promise<string>;
  attach(request: Omit<ExecStreams, "command">, signal: AbortSignal): Promise<string>;
  portForward(sandboxId: string, ports: readonly number[], signal: AbortSignal): Promise<string>;
}

/** The metrics of all pods, of the groups that the configuration names. */
export interface MetricsProvider {
  descriptors(): readonly MetricDescriptor[];
  metrics(): Promise<readonly PodMetrics[]>;
}

/** Freezes and thaws containers; only the status API offers it. */
export interface Pauser {
  /** @throws {CridError} `failed_precondition` for a container in the wrong state. */
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
}

/** What CRI asks of images. */
export type ServedImages = Pick<Images, "pull" | "find" | "list" | "remove" | "fsUsage">;

/** What {@linkcode serveCri} needs. */
export interface CriServerOptions {
  /** Path of the unix socket; its directory is made. */
  readonly socketPath: string;
  readonly pods: Pods;
  readonly images: ServedImages;
  readonly runtime: RuntimeIdentity;
  readonly features: RuntimeFeatures;
  /** The configuration in force; asked again for each answer, since a reload changes it. */
  readonly config: () => Config;
  /** The same as crio.conf text, for `/config`. */
  readonly configText: () => string;
  /** Without it Exec, Attach and PortForward answer UNIMPLEMENTED. */
  readonly streams?: Streams;
  /** Without it the RPCs about metrics answer UNIMPLEMENTED. */
  readonly metrics?: MetricsProvider;
  /** Without it `/pause` and `/unpause` answer 501. */
  readonly pauser?: Pauser;
  /** Told of each RPC when it is over. */
  readonly observe?: OperationObserver;
  /** How long a shutdown waits for running RPCs. Default 10 000. */
  readonly shutdownMs?: number;
  /** How long a new connection may take to say what it speaks. Default 5 000. */
  readonly handshakeMs?: number;
}

/** A running server. */
export interface CriServer {
  /**
   * Takes no more calls, ends the streams, lets the running RPCs finish within `shutdownMs`, closes
   * all connections and removes the socket. Containers keep running.
   */
  close(): Promise<void>;
}
