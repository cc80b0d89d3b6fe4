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

/** An isolate of a pull, from the moment that it was asked for. */
interface Isolate<Peer> {
  readonly id: number;
  readonly peer: Promise<Peer & Disposable>;
}

interface RegistryIsolate extends Isolate<RegistryPeer & PushPeer> {
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
  readonly #idleUnpackers: Isolate<UnpackPeer>[] = [];
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
  gone(id: number): void {
    if (this.#registry?.id === id) this.#registry = undefined;
    const at = this.#idleUnpackers.findIndex((unpacker) => unpacker.id === id);
    if (at < 0) return;
    this.#idleUnpackers.splice(at, 1);
    this.#unpackers--;
  }

  async registry(): Promise<RegistryPeer> {
    const isolate = this.#registryIsolate();
    const peer = await isolate.peer;
    return {
      resolve: async (request, signal) => {
        // Most often there is something to unpack; its isolate starts while that is looked for.
        if (this.#unpackers === 0) this.#idleUnpackers.push(this.#startUnpacker());
        return await this.#begin(isolate, () => peer.resolve(request, signal));
      },
      fetchBlob: (request, signal, onBytes) => peer.fetchBlob(request, signal, onBytes),
      archiveImages: async (source, signal) => {
        const images = await this.#begin(isolate, () => peer.archiveImages(source, signal));
        this.#end(isolate);
        return images;
      },
      close: (session) => {
        peer.close(session);
        this.#end(isolate);
      },
    };
  }

  /** The isolate that talks to registries, for pushing. */
  async push(): Promise<PushPeer> {
    const isolate = this.#registryIsolate();
    const peer = await isolate.peer;
    return {
      openPush: (request, signal) => this.#begin(isolate, () => peer.openPush(request, signal)),
      hasBlob: (request, signal) => peer.hasBlob(request, signal),
      putBlob: (request, signal) => peer.putBlob(request, signal),
      putManifest: (request, signal) => peer.putManifest(request, signal),
      closePush: (session) => {
        peer.closePush(session);
        this.#end(isolate);
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
    const isolate = this.#idleUnpackers.pop() ?? this.#startUnpacker();
    const peer = await isolate.peer;
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
      [Symbol.dispose]: () => this.#give(isolate, failed),
    };
  }

  #startUnpacker(): Isolate<UnpackPeer> {
    this.#unpackers++;
    const isolate = this.#start("unpack", connectUnpacker);
    isolate.peer.catch(() => {
      const at = this.#idleUnpackers.indexOf(isolate);
      if (at >= 0) this.#idleUnpackers.splice(at, 1);
      this.#unpackers--;
      this.#wakeAll();
    });
    return isolate;
  }

  #registryIsolate(): RegistryIsolate {
    clearTimeout(this.#idleTimer);
    const reads = this.#reads();
    const current = this.#registry;
    if (current?.reads === reads) return current;
    this.#registry = undefined;
    if (current !== undefined) this.#retire(current);
    const isolate: RegistryIsolate = {
      ...this.#start("pull", connectRegistry),
      reads,
      sessions: 0,
    };
    isolate.peer.catch(() => {
      if (this.#registry === isolate) this.#registry = undefined;
    });
    this.#registry = isolate;
    return isolate;
  }

  /** Begins a session with work that fails or makes one. */
  async #begin<T>(isolate: RegistryIsolate, work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idleTimer);
    isolate.sessions++;
    try {
      return await work();
    } catch (error) {
      this.#end(isolate);
      throw error;
    }
  }

  #end(isolate: RegistryIsolate): void {
    isolate.sessions--;
    if (isolate !== this.#registry) this.#retire(isolate);
    this.#stopWhenIdle();
  }

  /** One that was replaced ends after its last image; somebody may be about to ask it for another. */
  #retire(isolate: RegistryIsolate): void {
    setTimeout(() => {
      if (isolate.sessions === 0) void this.#stop(isolate);
    }, IDLE_MS);
  }

  #give(isolate: Isolate<UnpackPeer>, failed: boolean): void {
    if (failed) {
      this.#unpackers--;
      void this.#stop(isolate);
    } else this.#idleUnpackers.push(isolate);
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
    this.#idleTimer = setTimeout(() => this.#stopAll(), IDLE_MS);
  }

  #stopAll(): void {
    for (const unpacker of this.#idleUnpackers.splice(0)) {
      this.#unpackers--;
      void this.#stop(unpacker);
    }
    if (this.#registry !== undefined) void this.#stop(this.#registry);
    this.#registry = undefined;
  }

  /** One that did not start has nothing to stop. */
  async #stop({ id, peer }: Isolate<unknown>): Promise<void> {
    const started = await peer.catch(() => undefined);
    if (started === undefined) return;
    started[Symbol.dispose]();
    this.#tell({ kind: "release", id });
  }

  #start<Peer>(
    role: PullRole,
    connect: (port: MessagePort) => Promise<Peer & Disposable>,
  ): Isolate<Peer> {
    const id = this.#nextId++;
    const starting = Promise.withResolvers<MessagePort>();
    this.#starting.set(id, starting);
    this.#tell({ kind: "need", id, role });
    return { id, peer: starting.promise.then(connect) };
  }
}
