import {
  type BlobChannel,
  blobChannel,
  connectRegistry,
  connectUnpacker,
  type PullIsolates,
  type PushPeer,
  registryOptions,
  type RegistryPeer,
  registryReadPaths,
  type UnpackPeer,
} from "../image/mod.ts";
import type { Config } from "../config/mod.ts";
import type { FromCri, PullRole } from "./messages.ts";
import { abortable } from "../failure/mod.ts";

/** An isolate that nobody has used for so long is stopped, and its memory is free. */
const IDLE_MS = 10_000;

/** What the isolate that talks to registries may read; it is decided when it starts. */
export function registryReads(config: Pick<Config, "image" | "options">): string {
  return registryReadPaths(registryOptions(config, "")).join("\n");
}

/** A running isolate of a pull. */
interface Started<Peer> {
  readonly id: number;
  readonly peer: Peer & Disposable;
}

interface RegistryIsolate {
  readonly started: Promise<Started<RegistryPeer & PushPeer>>;
  readonly reads: string;
  /** Images that it is busy with. */
  sessions: number;
}

/**
 * The isolates of pulls, seen from `cri`: started by the supervisor when a pull needs them, one
 * `pull` and up to one `unpack` for each core, and stopped when idle.
 */
export class SupervisedPullIsolates implements PullIsolates {
  readonly #tell: (message: FromCri) => void;
  readonly #maxUnpackers: number;
  readonly #makeChannel: () => BlobChannel;
  readonly #starting = new Map<number, PromiseWithResolvers<MessagePort>>();
  #nextId = 1;

  #registry: RegistryIsolate | undefined;
  #reads: () => string = () => "";

  #unpackers = 0;
  readonly #idleUnpackers: Started<UnpackPeer>[] = [];
  readonly #waiting: (() => void)[] = [];
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param makeChannel Makes channels for isolates that are not in this process. */
  constructor(
    tell: (message: FromCri) => void,
    maxUnpackers: number,
    makeChannel: () => BlobChannel = blobChannel,
  ) {
    this.#tell = tell;
    this.#maxUnpackers = maxUnpackers;
    this.#makeChannel = makeChannel;
  }

  /**
   * Says what an isolate that talks to registries may read, were it started now. When that has changed,
   * because a policy names another key, new images get a new one.
   */
  renewOn(reads: () => string): void {
    this.#reads = reads;
  }

  /** The supervisor has started what was asked for. */
  started(id: number, port: MessagePort): void {
    this.#starting.get(id)?.resolve(port);
    this.#starting.delete(id);
  }

  /** What was asked for cannot be started. */
  failed(id: number, reason: unknown): void {
    this.#starting.get(id)?.reject(reason);
    this.#starting.delete(id);
  }

  /** One has died; whoever waits for it learns so from its port. */
  async gone(id: number): Promise<void> {
    const registry = this.#registry;
    const started = await registry?.started.catch(() => undefined);
    if (started?.id === id && this.#registry === registry) this.#registry = undefined;
    const at = this.#idleUnpackers.findIndex((unpacker) => unpacker.id === id);
    if (at >= 0) this.#idleUnpackers.splice(at, 1);
    if (at >= 0) this.#unpackers--;
  }

  async registry(): Promise<RegistryPeer> {
    const isolate = this.#registryIsolate();
    const { peer } = await isolate.started;
    const ended = () => this.#ended(isolate);
    return {
      resolve: async (request, signal) => {
        isolate.sessions++;
        try {
          return await peer.resolve(request, signal);
        } catch (error) {
          ended();
          throw error;
        }
      },
      fetchBlob: (request, signal, onBytes) => peer.fetchBlob(request, signal, onBytes),
      archiveImages: async (source, signal) => {
        isolate.sessions++;
        try {
          return await peer.archiveImages(source, signal);
        } finally {
          ended();
        }
      },
      close: (session) => {
        peer.close(session);
        ended();
      },
    };
  }

  /** The isolate that talks to registries, for pushing. */
  async push(): Promise<PushPeer> {
    const isolate = this.#registryIsolate();
    const { peer } = await isolate.started;
    return {
      openPush: async (request, signal) => {
        isolate.sessions++;
        try {
          return await peer.openPush(request, signal);
        } catch (error) {
          this.#ended(isolate);
          throw error;
        }
      },
      hasBlob: (request, signal) => peer.hasBlob(request, signal),
      putBlob: (request, signal) => peer.putBlob(request, signal),
      putManifest: (request, signal) => peer.putManifest(request, signal),
      closePush: (session) => {
        peer.closePush(session);
        this.#ended(isolate);
      },
    };
  }

  channel(): BlobChannel {
    return this.#makeChannel();
  }

  async unpacker(signal: AbortSignal): Promise<UnpackPeer & Disposable> {
    clearTimeout(this.#idleTimer);
    while (this.#idleUnpackers.length === 0 && this.#unpackers >= this.#maxUnpackers) {
      await abortable(new Promise<void>((resolve) => this.#waiting.push(resolve)), signal);
    }
    let started = this.#idleUnpackers.pop();
    if (started === undefined) {
      this.#unpackers++;
      started = await this.#start("unpack", connectUnpacker).catch((error) => {
        this.#unpackers--;
        this.#wakeAll();
        throw error;
      });
    }
    const { id, peer } = started;
    let failed = false;
    return {
      unpack: async (request, callSignal) => {
        try {
          return await peer.unpack(request, callSignal);
        } catch (error) {
          failed = true;
          throw error;
        }
      },
      // A worker that has met a hostile layer is not trusted with the next one.
      [Symbol.dispose]: () => this.#give({ id, peer }, failed),
    };
  }

  #registryIsolate(): RegistryIsolate {
    clearTimeout(this.#idleTimer);
    const reads = this.#reads();
    const current = this.#registry;
    if (current?.reads === reads) return current;
    this.#registry = undefined;
    if (current !== undefined) this.#retire(current);
    const started = this.#start("pull", connectRegistry);
    const isolate: RegistryIsolate = { started, reads, sessions: 0 };
    started.catch(() => {
      if (this.#registry === isolate) this.#registry = undefined;
    });
    this.#registry = isolate;
    return isolate;
  }

  #ended(isolate: RegistryIsolate): void {
    isolate.sessions--;
    if (isolate !== this.#registry) this.#retire(isolate);
    this.#stopWhenIdle();
  }

  /** One that was replaced ends after its last image; somebody may be about to ask it for another. */
  #retire(isolate: RegistryIsolate): void {
    setTimeout(() => {
      if (isolate.sessions === 0) void this.#stopRegistry(isolate);
    }, IDLE_MS);
  }

  async #stopRegistry({ started }: RegistryIsolate): Promise<void> {
    const isolate = await started.catch(() => undefined);
    if (isolate !== undefined) this.#stop(isolate);
  }

  #give(started: Started<UnpackPeer>, failed: boolean): void {
    if (failed) {
      this.#unpackers--;
      this.#stop(started);
    } else this.#idleUnpackers.push(started);
    this.#wakeAll();
    this.#stopWhenIdle();
  }

  /** All of them look again: one whose caller has gone must not swallow the only wake-up. */
  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #stopWhenIdle(): void {
    clearTimeout(this.#idleTimer);
    if ((this.#registry?.sessions ?? 0) > 0 || this.#idleUnpackers.length < this.#unpackers) return;
    this.#idleTimer = setTimeout(() => void this.#stopAll(), IDLE_MS);
  }

  async #stopAll(): Promise<void> {
    for (const unpacker of this.#idleUnpackers.splice(0)) {
      this.#unpackers--;
      this.#stop(unpacker);
    }
    const registry = this.#registry;
    this.#registry = undefined;
    if (registry !== undefined) await this.#stopRegistry(registry);
  }

  #stop({ id, peer }: Started<unknown>): void {
    peer[Symbol.dispose]();
    this.#tell({ kind: "release", id });
  }

  async #start<Peer>(
    role: PullRole,
    connect: (port: MessagePort) => Promise<Peer & Disposable>,
  ): Promise<Started<Peer>> {
    const id = this.#nextId++;
    const starting = Promise.withResolvers<MessagePort>();
    this.#starting.set(id, starting);
    this.#tell({ kind: "need", id, role });
    return { id, peer: await connect(await starting.promise) };
  }
}
