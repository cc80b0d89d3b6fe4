import { CridError } from "../failure/mod.ts";
import type { StagingPaths, Store, UnpackedLayer } from "../storage/mod.ts";
import { digestMismatch } from "./digest.ts";
import { SharedWork } from "./shared_work.ts";
import { Slots } from "./slots.ts";
import type {
  BlobDescriptor,
  PullIsolates,
  PullProgress,
  PullRequest,
  RegistryPeer,
  ResolvedImage,
  UnpackLimits,
} from "./types.ts";

/** Where the layers of pulls go to. */
export interface LayerPullerOptions {
  readonly store: Store;
  readonly limits: UnpackLimits;
}

/** Where the layers of one pull come from. */
export interface LayerSource {
  /** From {@linkcode ResolvedImage.session}. */
  readonly session: number;
  readonly registry: RegistryPeer;
  readonly isolates: PullIsolates;
  readonly signal: AbortSignal;
}

/** Tells how a layer gets on. */
type Report = (state: PullProgress["state"], bytes: number) => void;

/** One layer of an image in its place of the chain. */
interface ChainLink {
  readonly id: string;
  readonly parent: string | undefined;
  readonly diffId: string;
  readonly blob: BlobDescriptor;
}

/**
 * Blobs that are fetched at the same time in all pulls. More than there are unpack workers: what waits for
 * one has its connection open and its window filled.
 */
const PARALLEL_FETCHES = 6;

/** Gets the missing layers of images into the store; layers of pulls at the same time are shared. */
export class LayerPuller {
  readonly #options: LayerPullerOptions;
  readonly #shared = new SharedWork<void>();
  readonly #fetches = new Slots(PARALLEL_FETCHES);

  constructor(options: LayerPullerOptions) {
    this.#options = options;
  }

  /**
   * Makes sure that all layers are in the store and returns the id of the top one; `undefined` for an
   * image without layers. Layers are fetched and unpacked in parallel and committed from the base up.
   *
   * @throws {CridError} The first failure, after everything else has stopped.
   */
  async pull(
    image: ResolvedImage,
    diffIds: readonly string[],
    source: LayerSource,
    onProgress: PullRequest["onProgress"] = () => {},
  ): Promise<string | undefined> {
    const chain = this.#chain(image, diffIds);
    const missing = await this.#missing(chain);
    for (const { blob: { digest, size } } of chain.slice(0, chain.length - missing.length)) {
      onProgress({ digest, size, bytes: size, state: "present" });
    }
    const failed = new AbortController();
    const stop = AbortSignal.any([source.signal, failed.signal]);
    const stoppable = { ...source, signal: stop };
    let below: Promise<void> = Promise.resolve();
    const layers = missing.map((link) => {
      const parent = below;
      const { digest, size } = link.blob;
      const report = (state: PullProgress["state"], bytes: number) =>
        onProgress({ digest, size, bytes, state });
      report("waiting", 0);
      below = this.#layer(link, parent, stoppable, report);
      below.then(() => report("done", size), () => {});
      below.catch((error) => failed.abort(error));
      return below;
    });
    await Promise.allSettled(layers);
    stop.throwIfAborted();
    return chain.at(-1)?.id;
  }

  #chain(image: ResolvedImage, diffIds: readonly string[]): ChainLink[] {
    if (diffIds.length !== image.layers.length) {
      throw new CridError(
        "invalid_argument",
        `the image has ${image.layers.length} layers, but its config tells of ${diffIds.length}`,
      );
    }
    let parent: string | undefined;
    return image.layers.map((blob, index) => {
      const diffId = diffIds[index]!;
      const link = { id: this.#options.store.layerId(parent, diffId), parent, diffId, blob };
      parent = link.id;
      return link;
    });
  }

  /** The links above the topmost layer that the store has. */
  async #missing(chain: readonly ChainLink[]): Promise<readonly ChainLink[]> {
    for (let index = chain.length - 1; index >= 0; index--) {
      if (await this.#options.store.layer(chain[index]!.id)) return chain.slice(index + 1);
    }
    return chain;
  }

  /** Joins pulls that make this layer; should all of them fail, it is made here. */
  async #layer(
    link: ChainLink,
    parent: Promise<void>,
    source: LayerSource,
    report: Report,
  ): Promise<void> {
    const { signal } = source;
    for (;;) {
      const running = this.#shared.join(link.id, signal);
      if (running === undefined) break;
      if (await running.then(() => true, () => false)) return;
      signal.throwIfAborted();
    }
    const make = (signal: AbortSignal) => this.#make(link, parent, { ...source, signal }, report);
    await this.#shared.run(link.id, make, signal);
  }

  async #make(
    link: ChainLink,
    parent: Promise<void>,
    source: LayerSource,
    report: Report,
  ): Promise<void> {
    const { store } = this.#options;
    const { signal } = source;
    const slot = await this.#fetches.take(signal);
    try {
      if (await store.layer(link.id)) return;
      await using staging = await store.stageLayer(link.parent, link.diffId);
      const unpacked = await this.#unpack(link, staging.paths, source, report);
      slot[Symbol.dispose]();
      checkContent(link, unpacked);
      await this.#parentStored(link.parent, parent, signal);
      signal.throwIfAborted();
      const { id } = await staging.commit(unpacked);
      if (id !== link.id) throw new CridError("internal", `layer ${link.id} was stored as ${id}`);
    } finally {
      slot[Symbol.dispose]();
    }
  }

  /**
   * Waits for the layer below. Whoever makes it for whichever pull will do; should they fail, this pull
   * makes it itself, and `own` tells when.
   */
  async #parentStored(
    id: string | undefined,
    own: Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    if (id === undefined) return;
    await this.#shared.join(id, signal)?.catch(() => {});
    signal.throwIfAborted();
    if (await this.#options.store.layer(id) === undefined) await own;
  }

  /** Lets the two isolates talk to each other; none of the bytes passes through here. */
  async #unpack(
    link: ChainLink,
    paths: StagingPaths,
    { session, registry, isolates, signal }: LayerSource,
    report: Report,
  ): Promise<UnpackedLayer> {
    const { blob } = link;
    using channel = isolates.channel();
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    // The unpacker's hash is as good, and nearer to the disk; of others it knows only sha256.
    const verify = blob.digest.startsWith("sha256:") ? "size" : "digest";
    const fetched = registry.fetchBlob(
      { session, blob, port: channel.producer, verify },
      stop,
      (bytes) => report("moving", bytes),
    );
    const { limits } = this.#options;
    const unpack = async () => {
      using unpacker = await isolates.unpacker(stop);
      return await unpacker.unpack({ port: channel.consumer, paths, limits }, stop);
    };
    const unpacked = unpack();
    fetched.catch((error) => failed.abort(error));
    unpacked.catch((error) => failed.abort(error));
    const [fetching, unpacking] = await Promise.allSettled([fetched, unpacked]);
    signal.throwIfAborted();
    if (failed.signal.aborted) throw rootCause(fetching, unpacking, failed.signal.reason);
    return (unpacking as PromiseFulfilledResult<UnpackedLayer>).value;
  }
}

/** The bytes are what the manifest promised, and what is in them is what the config promised. */
function checkContent({ blob, diffId }: ChainLink, unpacked: UnpackedLayer): void {
  // A digest of another algorithm has been checked where the blob was fetched.
  if (blob.digest.startsWith("sha256:") && unpacked.compressedDigest !== blob.digest) {
    throw digestMismatch(`layer ${blob.digest}`, blob.digest, unpacked.compressedDigest);
  }
  if (unpacked.compressedSize !== blob.size) {
    throw new CridError(
      "invalid_argument",
      `layer ${blob.digest}: wrong size: the manifest says ${blob.size} bytes, ` +
        `${unpacked.compressedSize} were unpacked`,
    );
  }
  if (unpacked.diffDigest !== diffId) {
    throw digestMismatch(`content of layer ${blob.digest}`, diffId, unpacked.diffDigest);
  }
}

/**
 * When one half fails the other is stopped and fails too. The one that failed by itself is what the user
 * wants to know: what broke the stream tells less than what broke its end.
 */
function rootCause(
  fetching: PromiseSettledResult<unknown>,
  unpacking: PromiseSettledResult<unknown>,
  first: unknown,
): unknown {
  const failures = [fetching, unpacking].flatMap((result) =>
    result.status === "rejected" ? [result.reason] : []
  );
  const isEcho = (error: unknown) =>
    error instanceof CridError &&
    (error.code === "cancelled" || / of the blob went away/.test(error.message));
  return failures.find((error) => !isEcho(error)) ?? first;
}
