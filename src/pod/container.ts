import type { ContainerConfig, ContainerState, ContainerStatus, ContainerView } from "./types.ts";
import type { StopLoop } from "./container_stop.ts";
import type { Sandbox } from "./sandbox.ts";
import type { OciSpec, ProcessRef, ProcessUser } from "../oci/mod.ts";
import { Queue } from "./queue.ts";
import { specResources } from "./spec_resources.ts";

/** What a container has on the host. Fixed once it is made; written to and read from its spec. */
export interface ContainerParts {
  readonly id: string;
  readonly sandbox: Sandbox;
  readonly config: ContainerConfig;
  readonly createdAt: bigint;
  readonly imageId: string;
  /** Some name of the image, empty when it has none. */
  readonly imageName: string;
  readonly imageRepoDigests: readonly string[];
  /** Absolute. */
  readonly logPath: string;
  /** Image ids of image mounts, by container path. */
  readonly mountImages: ReadonlyMap<string, string>;
  readonly user: ProcessUser;
  readonly stopSignal: string;
  readonly privileged: boolean;
}

/** How a container's process ended. */
export interface Exit {
  readonly code: number;
  readonly finishedAt: bigint;
  readonly oomKilled: boolean;
  /** Why it never ran, when it did not. */
  readonly error: string;
}

/** Exit code of a container whose runtime could not start it, as containerd reports it. */
export const START_FAILED_CODE = 128;

/** One container: what it is made of, and its state. */
export class Container {
  readonly parts: ContainerParts;
  /** Serialises starting, settling an exit and removing. */
  readonly queue: Queue = new Queue();

  spec: OciSpec;
  init: ProcessRef | undefined;
  monitor: ProcessRef | undefined;
  startedAt = 0n;
  /** Restored as created, and crid may have been killed before it wrote down that it was started. */
  mayRun = false;
  exit: Exit | undefined;
  /** Listed: the client that asked for it has got its id. */
  visible = false;
  /** Its processes are frozen. */
  paused = false;
  /** The kill loop has begun: no new exec may enter. */
  killing = false;
  /** The loop that stops it, while one runs. */
  stop: StopLoop | undefined;
  removed = false;
  /** Resolves when all that follows from its exit is done: it is saved, unmounted and told. */
  settled: Promise<void> = Promise.resolve();
  readonly #exited = Promise.withResolvers<void>();

  constructor(parts: ContainerParts, spec: OciSpec) {
    this.parts = parts;
    this.spec = spec;
  }

  get id(): string {
    return this.parts.id;
  }

  get state(): ContainerState {
    if (this.exit !== undefined) return "exited";
    if (this.init === undefined) return "unknown";
    return this.startedAt === 0n ? "created" : "running";
  }

  /** Resolves when the process has ended and its exit is known. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** Records the end; the first one counts. */
  settle(exit: Exit): void {
    this.exit ??= exit;
    this.#exited.resolve();
  }

  /** As it stands in a list. */
  view(): ContainerView {
    const { config, sandbox, imageId, imageRepoDigests } = this.parts;
    return {
      id: this.id,
      sandboxId: sandbox.id,
      metadata: config.metadata,
      state: this.state,
      createdAt: this.parts.createdAt,
      image: config.image,
      userSpecifiedImage: config.userSpecifiedImage,
      imageId,
      imageRef: imageRepoDigests[0] ?? imageId,
      labels: config.labels,
      annotations: config.annotations,
      runtimeHandler: sandbox.parts.runtimeHandler,
    };
  }

  /** In full, but for the verbose info. */
  status(): ContainerStatus {
    const { config, imageName, mountImages, logPath, user, stopSignal } = this.parts;
    return {
      ...this.view(),
      imageName,
      startedAt: this.startedAt,
      finishedAt: this.exit?.finishedAt ?? 0n,
      exitCode: this.exit?.code ?? 0,
      reason: reason(this.exit),
      message: this.exit?.error ?? "",
      mounts: config.mounts.map((mount) => {
        const imageId = mountImages.get(mount.containerPath);
        return imageId === undefined ? mount : { ...mount, imageId };
      }),
      logPath,
      resources: specResources(this.spec),
      user: { uid: user.uid, gid: user.gid, groups: user.additionalGids },
      stopSignal,
      info: {},
    };
  }
}

function reason(exit: Exit | undefined): string {
  if (exit === undefined) return "";
  if (exit.error !== "") return "StartError";
  if (exit.oomKilled) return "OOMKilled";
  return exit.code === 0 ? "Completed" : "Error";
}
