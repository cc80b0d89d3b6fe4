import type { SandboxConfig, SandboxView } from "./types.ts";
import type { Container } from "./container.ts";
import type { ProcessRef } from "../oci/mod.ts";
import type { ContainerLabels } from "../security/mod.ts";
import { Queue } from "./queue.ts";

/** Paths of a sandbox's pinned namespaces; one that is the host's is not pinned and missing here. */
export interface PinnedNamespaces {
  readonly network?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly user?: string;
}

/** What a sandbox has on the host. Fixed once it is made; written to and read from its spec. */
export interface SandboxParts {
  readonly id: string;
  readonly config: SandboxConfig;
  /** As asked for; `""` for the default one. */
  readonly runtimeHandler: string;
  /** Name of the one that it has: the default may become another. */
  readonly handler: string;
  readonly createdAt: bigint;
  readonly hostname: string;
  /** Absolute. */
  readonly logDirectory: string;
  /** With the driver's default filled in. */
  readonly cgroupParent: string;
  readonly namespaces: PinnedNamespaces;
  readonly resolvPath: string;
  readonly hostnamePath: string;
  /** `/dev/shm` of the host when the IPC namespace is the host's. */
  readonly shmPath: string;
  /** A process holds the pod's PID namespace. */
  readonly hasInfra: boolean;
  /** `undefined` when it was made without SELinux. */
  readonly labels: ContainerLabels | undefined;
}

/** One pod sandbox: what it is made of, and its state. */
export class Sandbox {
  readonly parts: SandboxParts;
  readonly containers: Set<Container> = new Set();
  /** Serialises stopping and removing. */
  readonly queue: Queue = new Queue();

  /** Addresses, the pod's IP first. */
  ips: readonly string[] = [];
  /** The process that holds the shared PID namespace. */
  infra: ProcessRef | undefined;
  /** The infra process's monitor. */
  infraMonitor: ProcessRef | undefined;
  /** Listed: the client that asked for it has got its id. */
  visible = false;
  /** Set before anything is torn down, so that nothing new begins. */
  stopped = false;
  /** Everybody has been told that it has stopped. */
  stopAnnounced = false;
  /** The network has been taken down; later stops need not try again. */
  networkStopped = false;
  /** How often taking the network down has failed. */
  networkFailures = 0;

  constructor(parts: SandboxParts) {
    this.parts = parts;
  }

  get id(): string {
    return this.parts.id;
  }

  get hostNetwork(): boolean {
    return this.parts.config.security.namespaces.network === "node";
  }

  /** As it stands in a list. */
  view(): SandboxView {
    const { config, createdAt, runtimeHandler } = this.parts;
    return {
      id: this.id,
      metadata: config.metadata,
      state: this.stopped ? "notready" : "ready",
      createdAt,
      labels: config.labels,
      annotations: config.annotations,
      runtimeHandler,
    };
  }
}
