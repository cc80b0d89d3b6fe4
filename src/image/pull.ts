import { Buffer } from "node:buffer";
import { CridError, errorMessage, isCode, wrapError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { Store } from "../storage/mod.ts";
import type { ArtifactStore } from "./artifact/artifact_store.ts";
import { digestHex, verifyDigest } from "./digest.ts";
import { hostCredentials, type HostCredentialsOptions } from "./host_credentials.ts";
import { parseConfig } from "./image_config.ts";
import { LayerPuller, type LayerPullerOptions, type LayerSource } from "./pull_layers.ts";
import { formatReference, isShortName, parseReference } from "./reference.ts";
import { credentialsFromRequest } from "./registry/credentials.ts";
import { SharedWork } from "./shared_work.ts";
import { signatureKey } from "./signature/fetch.ts";
import type {
  HostCredentials,
  LoadRequest,
  PullIsolates,
  PullRequest,
  ResolvedImage,
} from "./types.ts";

/** Words in front of a message by which the kubelet tells kinds of failure. */
const KUBELET_WORDS = /(RegistryUnavailable|SignatureValidationFailed): /;

/** How often an image is stored anew when others remove layers under it. */
const MAX_ATTEMPTS = 3;

export interface PullerOptions extends LayerPullerOptions {
  readonly isolates: PullIsolates;
  /** The isolates for the pulls of pods below a cgroup parent, where they run apart from the others. */
  readonly isolatesIn?: ((cgroupParent: string) => PullIsolates) | undefined;
  /** Where the host has credentials that the isolate of registries cannot reach. */
  readonly credentials?: HostCredentialsOptions | undefined;
  readonly artifacts: ArtifactStore;
}

/** Pulls images into the store. */
export class Puller {
  readonly #store: Store;
  readonly #isolates: PullIsolates;
  readonly #isolatesIn: PullerOptions["isolatesIn"];
  readonly #layers: LayerPuller;
  readonly #artifacts: ArtifactStore;
  readonly #credentials: HostCredentialsOptions | undefined;
  readonly #shared = new SharedWork<string>();

  constructor(options: PullerOptions) {
    this.#credentials = options.credentials;
    this.#artifacts = options.artifacts;
    this.#store = options.store;
    this.#isolates = options.isolates;
    this.#isolatesIn = options.isolatesIn;
    this.#layers = new LayerPuller(options);
  }

  /**
   * Pulls an image, or joins the running pull of the same reference with the same credentials.
   *
   * @returns The image id.
   * @throws {CridError} What went wrong, with the reference; nothing of the image is left then but layers
   * that were complete.
   */
  async pull(request: PullRequest): Promise<string> {
    const { reference, auth, namespace, cgroupParent, signal } = request;
    // What is pulled in the cgroup of one pod may die with it.
    const place = this.#isolatesIn && cgroupParent;
    const key = JSON.stringify([canonical(reference), auth ?? null, namespace, place ?? ""]);
    try {
      return await this.#shared.run(key, (stop) => this.#begin(request, stop), signal);
    } catch (error) {
      // The reason why this caller left may be anything.
      throw error instanceof CridError ? error : pullError(reference, error);
    }
  }

  /**
   * Takes an image over from an archive, with the names that it has there or those asked for.
   *
   * @returns The image id.
   * @throws {CridError} What went wrong; nothing of the image is left then but complete layers.
   */
  async load(request: LoadRequest): Promise<string> {
    const { source, names, signal, onProgress } = request;
    try {
      const isolates = this.#isolates;
      const registry = await isolates.registry();
      const asked = { reference: source, auth: undefined, namespace: "" };
      const image = await registry.resolve(asked, signal);
      const found = image.name === "" ? [] : [image.name, ...image.otherNames ?? []];
      const [name = "", ...otherNames] = names ?? found;
      const { session } = image;
      const from = { session, registry, isolates, signal };
      return await this.#keep({ ...image, name, otherNames }, from, onProgress);
    } catch (error) {
      throw wrapError(`load ${source}`, error);
    }
  }

  async #begin(request: PullRequest, signal: AbortSignal): Promise<string> {
    const { reference } = request;
    const started = performance.now();
    log.info("pulling image", { image: reference });
    try {
      const id = await this.#pull(request, signal);
      const milliseconds = Math.round(performance.now() - started);
      log.info("pulled image", { image: reference, id, milliseconds });
      return id;
    } catch (error) {
      const failure = pullError(reference, error);
      log.info("image was not pulled", { image: reference, error: failure.message });
      throw failure;
    }
  }

  async #pull(request: PullRequest, signal: AbortSignal): Promise<string> {
    const { reference, auth, namespace, onProgress } = request;
    const present = isShortName(reference)
      ? undefined
      : await this.#artifacts.present(formatReference(parseReference(reference)));
    if (present !== undefined) return present;
    const isolates = this.#isolatesIn?.(request.cgroupParent ?? "") ?? this.#isolates;
    const registry = await isolates.registry();
    await using leased = this.#credentials && credentialsFromRequest(auth).kind === "none"
      ? await hostCredentials(this.#credentials, reference, namespace)
      : undefined;
    const image = await registry.resolve({
      reference,
      auth,
      namespace,
      ...leased && { credentials: plain(leased) },
    }, signal);
    const { session } = image;
    const named = { ...image, name: nameOf(image, reference), otherNames: [] };
    return await this.#keep(named, { session, registry, isolates, signal }, onProgress);
  }

  async #keep(
    image: ResolvedImage,
    source: LayerSource,
    onProgress: PullRequest["onProgress"],
  ): Promise<string> {
    try {
      for (let attempt = 1;; attempt++) {
        try {
          return await this.#storeImage(image, source, onProgress);
        } catch (error) {
          // Someone has removed a layer between our look at it and its use.
          if (!isCode(error, "aborted") || attempt === MAX_ATTEMPTS) throw error;
          log.info("store image again", { image: image.name, reason: error.message });
        }
      }
    } finally {
      source.registry.close(image.session);
    }
  }

  async #storeImage(
    image: ResolvedImage,
    source: LayerSource,
    onProgress: PullRequest["onProgress"],
  ): Promise<string> {
    checkDigests(image);
    if (image.artifactType !== undefined) {
      log.info("image is an OCI artifact", { image: image.name, type: image.artifactType });
      return await this.#artifacts.pull(image, source.registry, source.signal);
    }
    const { diffIds, created } = parseConfig(image.config);
    const layer = await this.#layers.pull(image, diffIds, source, onProgress);
    source.signal.throwIfAborted();
    const { signatures = [] } = image;
    const record = await this.#store.createImage({
      id: digestHex(image.configDigest),
      names: image.name === "" ? [] : [image.name, ...image.otherNames ?? []],
      layer,
      digest: image.digest,
      created,
      bigData: new Map([
        [image.configDigest, image.config],
        ...image.list === undefined
          ? []
          : [[`manifest-${image.list.digest}`, image.list.bytes]] as const,
        [`manifest-${image.manifestDigest}`, image.manifest],
        ["manifest", image.manifest],
        ...signatures.length === 0
          ? []
          : [[signatureKey(image.manifestDigest), joined(signatures)]] as const,
      ]),
      metadata: signatures.length === 0 ? "{}" : JSON.stringify({
        "signatures-sizes": { [image.manifestDigest]: signatures.map(({ length }) => length) },
      }),
    });
    return record.id;
  }
}

/**
 * The isolate that talked to the registry must not be able to give an image the name of another one. Only
 * it knows where it has found a short name.
 */
function nameOf(image: ResolvedImage, reference: string): string {
  return isShortName(reference) ? image.name : formatReference(parseReference(reference));
}

/**
 * Checks again what crosses the wall: the isolate that talked to the registry must not be able to give one
 * image the id of another.
 */
function checkDigests(image: ResolvedImage): void {
  verifyDigest("config", image.config, image.configDigest);
  verifyDigest("manifest", image.manifest, image.manifestDigest);
  if (image.list) verifyDigest("manifest list", image.list.bytes, image.list.digest);
  const named = image.name === "" ? undefined : parseReference(image.name).digest;
  const asked = named ?? image.digest;
  const got = image.list?.digest ?? image.manifestDigest;
  if (asked !== got || image.digest !== got) {
    throw new CridError("internal", `asked for ${asked}, got ${got}`);
  }
  if (!image.configDigest.startsWith("sha256:")) {
    throw new CridError(
      "unimplemented",
      `the config has the digest ${image.configDigest}; image ids are sha256`,
    );
  }
}

/** What crosses to another isolate is data only. */
function plain({ authFile, byRegistry }: HostCredentials): HostCredentials {
  return { byRegistry, ...authFile && { authFile } };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A reference in one form, so that `busybox` and `busybox:latest` are one pull. */
function canonical(reference: string): string {
  const full = formatReference(parseReference(reference));
  return isShortName(reference) ? `short ${full}` : full;
}

/** Puts what was being done in front, behind the word that the kubelet looks for at the beginning. */
function pullError(reference: string, error: unknown): CridError {
  const failure = wrapError(`pull ${reference}`, error);
  const [found, word] = KUBELET_WORDS.exec(errorMessage(failure)) ?? [];
  if (found === undefined) return failure;
  const rest = failure.message.replace(found, "");
  return new CridError(failure.code, `${word}: ${rest}`, { cause: error });
}
