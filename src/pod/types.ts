/**
 * Pods and containers as the rest of crid sees them: what is asked of them and what they report.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import type {
  CommandStreams,
  DeviceRequest,
  LinuxResources,
  MountRequest,
  NamespaceOptions,
  SecurityContext,
  WantedStreams,
} from "../oci/mod.ts";
import type { PortMapping } from "../network/mod.ts";
import type { MetricGroup, PodMetrics } from "../stats/mod.ts";

/** Labels or annotations. */
export type StringMap = Readonly<Record<string, string>>;

export interface SandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly attempt: number;
}

export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** What a pod sandbox is made from. */
export interface SandboxConfig {
  readonly metadata: SandboxMetadata;
  /** `""`: the host's for the host network, else the start of the id. */
  readonly hostname: string;
  /** Absolute directory of the containers' logs, or `""` for the configured one. */
  readonly logDirectory: string;
  /** `undefined`: the host's resolv.conf. */
  readonly dns: DnsConfig | undefined;
  readonly portMappings: readonly PortMapping[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly cgroupParent: string;
  readonly sysctls: StringMap;
  readonly security: SecurityContext;
  readonly overhead: LinuxResources | undefined;
  readonly resources: LinuxResources | undefined;
}

export interface ContainerMetadata {
  readonly name: string;
  readonly attempt: number;
}

/** What a container is made from. */
export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  /** Name, digest or id of a local image. */
  readonly image: string;
  /** The reference the user wrote, for policies and reports; `""` when not given. */
  readonly userSpecifiedImage: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly env: readonly (readonly [string, string])[];
  readonly mounts: readonly MountRequest[];
  readonly devices: readonly DeviceRequest[];
  readonly cdiDevices: readonly string[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  /** Below the sandbox's log directory; `""` for the container's id. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly resources: LinuxResources | undefined;
  /** `undefined` when the request had no security context at all. */
  readonly security: SecurityContext | undefined;
  /** `SIGTERM` and the like, `""` for the image's. */
  readonly stopSignal: string;
}

export type SandboxState = "ready" | "notready";
export type ContainerState = "created" | "running" | "exited" | "unknown";

/** One pod sandbox in a list. Times are nanoseconds since the Unix epoch. */
export interface SandboxView {
  readonly id: string;
  readonly metadata: SandboxMetadata;
  readonly state: SandboxState;
  readonly createdAt: bigint;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly runtimeHandler: string;
}

/** One pod sandbox in full. */
export interface SandboxStatus extends SandboxView {
  /** The first is the pod's IP; empty for the host network. */
  readonly ips: readonly string[];
  readonly namespaces: NamespaceOptions;
  /** For verbose answers: JSON texts by key. */
  readonly info: StringMap;
}

/** One container in a list. */
export interface ContainerView {
  readonly id: string;
  readonly sandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly state: ContainerState;
  readonly createdAt: bigint;
  /** What the user asked for. */
  readonly image: string;
  readonly userSpecifiedImage: string;
  /** 64 hex characters. */
  readonly imageId: string;
  /** `repository@digest` of the image, which Kubernetes shows as its ID; the ID when it has none. */
  readonly imageRef: string;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  /** The sandbox's handler. */
  readonly runtimeHandler: string;
}

/** One container in full. */
export interface ContainerStatus extends ContainerView {
  /** Some name that the image had when the container was made, tags before digests; may be empty. */
  readonly imageName: string;
  /** 0n until it happened. */
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly exitCode: number;
  /** `Completed`, `Error`, `OOMKilled`, or `""` while it has not exited. */
  readonly reason: string;
  readonly message: string;
  /** Exactly the mounts asked for; an image mount's `imageId` is filled in. */
  readonly mounts: readonly (MountRequest & { readonly imageId?: string })[];
  /** Absolute. */
  readonly logPath: string;
  readonly resources: LinuxResources | undefined;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly groups: readonly number[];
  };
  /** `SIGTERM` and the like. */
  readonly stopSignal: string;
  /** For verbose answers: JSON texts by key. */
  readonly info: StringMap;
}

export interface SandboxFilter {
  /** Id or unique prefix. */
  readonly id?: string;
  readonly state?: SandboxState;
  readonly labels?: StringMap;
}

export interface ContainerFilter {
  readonly id?: string;
  readonly sandboxId?: string;
  readonly state?: ContainerState;
  readonly labels?: StringMap;
}

export type ContainerEventType = "created" | "started" | "stopped" | "deleted";

/** A change in the life of a container, or of a sandbox (its id is then the container id). */
export interface ContainerEvent {
  readonly containerId: string;
  readonly type: ContainerEventType;
  readonly createdAt: bigint;
  /** `undefined` when the pod is gone already. */
  readonly sandbox: SandboxStatus | undefined;
  readonly containers: readonly ContainerStatus[];
}

export interface ExecOutput {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** One condition of the runtime: `RuntimeReady`, `NetworkReady`. */
export interface Condition {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

/** A runtime handler as CRI reports it. */
export interface HandlerView {
  readonly name: string;
  readonly recursiveReadonlyMounts: boolean;
  readonly userNamespaces: boolean;
}

/** What is in use by one container, with what names it. */
export interface ContainerStatsEntry {
  readonly container: ContainerView;
  readonly usage: import("../stats/mod.ts").ContainerUsage;
}

/** What is in use by one pod. */
export interface SandboxStatsEntry {
  readonly sandbox: SandboxView;
  readonly usage: import("../stats/mod.ts").PodUsage;
  readonly containers: readonly ContainerStatsEntry[];
}

/**
 * All pods and containers of the node.
 *
 * Ids may be unique prefixes. Calls that change something are idempotent and go on when their client
 * has gone: `signal` ends only the wait, and a retry joins the work in flight. Stopping and removing
 * the unknown succeeds; everything else about the unknown is `not_found`.
 */
export interface Pods {
  runSandbox(
    config: SandboxConfig,
    runtimeHandler: string,
    signal: AbortSignal,
  ): Promise<string>;
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;
  sandboxStatus(id: string): Promise<SandboxStatus>;
  sandboxes(filter: SandboxFilter): readonly SandboxView[];

  createContainer(
    sandboxId: string,
    config: ContainerConfig,
    signal: AbortSignal,
  ): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** @param timeout Seconds between the stop signal and the kill. */
  stopContainer(id: string, timeout: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  containerStatus(id: string): Promise<ContainerStatus>;
  containers(filter: ContainerFilter): readonly ContainerView[];
  updateContainerResources(id: string, resources: LinuxResources): Promise<void>;
  /** Keeps what the kubelet says of a pod as a whole. @throws {CridError} `not_found`. */
  updateSandboxResources(
    id: string,
    overhead: LinuxResources | undefined,
    resources: LinuxResources | undefined,
  ): Promise<void>;
  /**
   * Runs a command in a container and returns what it said.
   *
   * @param timeout Seconds, 0 for none.
   * @throws {CridError} `deadline_exceeded` after everything that it started was killed.
   */
  execSync(
    id: string,
    command: readonly string[],
    timeout: number,
    signal: AbortSignal,
  ): Promise<ExecOutput>;
  reopenContainerLog(id: string): Promise<void>;
  /**
   * Freezes a container's processes; it is reported as running.
   *
   * @throws {CridError} `failed_precondition` when it does not run or is paused already.
   */
  pauseContainer(id: string): Promise<void>;
  /** @throws {CridError} `failed_precondition` when it is not paused. */
  unpauseContainer(id: string): Promise<void>;

  /**
   * The container's whole id, when a command could be started in it now.
   *
   * @throws {CridError} `not_found` when it does not run.
   */
  requireExec(id: string): string;
  /** Starts a command in a container, connected to its streams. */
  exec(id: string, command: readonly string[], wanted: WantedStreams): CommandStreams;
  /** The container's whole id, when it can be attached to. @throws {CridError} `not_found` else. */
  requireAttach(id: string): string;
  /** Connects with the streams of a container's own process. */
  attach(id: string, wanted: WantedStreams): CommandStreams;
  /** The sandbox' whole id, when its ports can be reached. @throws {CridError} `not_found` else. */
  requirePorts(id: string): string;
  /**
   * Connects to a TCP port on the pod's loopback, IPv4 or IPv6.
   *
   * @throws {CridError} `unavailable` when nobody listens there.
   */
  connect(sandboxId: string, port: number): Promise<Duplex>;

  containerStats(id: string): Promise<ContainerStatsEntry>;
  listContainerStats(filter: ContainerFilter): Promise<readonly ContainerStatsEntry[]>;
  sandboxStats(id: string): Promise<SandboxStatsEntry>;
  listSandboxStats(filter: SandboxFilter): Promise<readonly SandboxStatsEntry[]>;
  /** The metrics of those groups of all pods that are ready. */
  metrics(groups: readonly MetricGroup[]): Promise<readonly PodMetrics[]>;

  /** Changes from now on, in order. A reader that falls 1000 behind loses the oldest. */
  events(signal: AbortSignal): AsyncIterable<ContainerEvent>;
  /** Id of a container that was made from an image or has it as a volume. */
  imageUser(imageId: string): string | undefined;
  conditions(): Promise<readonly Condition[]>;
  /** Those that can be used, and the default one again under the empty name that most pods use. */
  handlers(): readonly HandlerView[];
  /** Names of the handlers that pods have, none of them `""`. */
  handlersInUse(): ReadonlySet<string>;
  /** The pod CIDR is given to us by the kubelet; CNI does not use it. */
  updateRuntimeConfig(podCidr: string): void;
  readonly cgroupDriver: "systemd" | "cgroupfs";
}
