import { CridError } from "../../failure/mod.ts";
import { exportLayer, type ImageRecord, type Store } from "../../storage/mod.ts";
import { isDigest, sha256 } from "../digest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import { parseReference } from "../reference.ts";
import type { PullProgress } from "../types.ts";
import { compress } from "./compress.ts";
import type { BlobToWrite, ImageDestination } from "./destination.ts";
import { type StoredLayer, storedLayers } from "./store_layers.ts";
import { once } from "./tar_writer.ts";

export interface ExportOptions {
  readonly store: Store;
  readonly image: ImageRecord;
  readonly destination: ImageDestination;
  /** Full names that it gets there, if the destination writes names. */
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
}

/** Layers that are written at the same time. */
const PARALLEL = 2;

/** A layer as a manifest has it; members that are not known stay. */
interface ManifestLayer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly mediaType?: string;
  readonly config: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly layers: readonly ManifestLayer[];
}

/**
 * Writes an image of the store to a destination. Layers come out byte for byte as they were before they
 * were compressed; where the compressed form is not at the destination and cannot be made again, the
 * manifest tells of the new one.
 *
 * @returns The digest of the manifest that was written.
 * @throws {CridError} What keeps it from being written.
 */
export async function exportImage(options: ExportOptions): Promise<string> {
  const { store, image, destination, names, signal } = options;
  const layers = await storedLayers(store, image);
  const config = await store.imageData(image.id, `sha256:${image.id}`);
  const configDigest = `sha256:${image.id}`;
  const stored = await storedManifest(store, image, layers, config);
  const written = await writeLayers(options, stored.manifest.layers, layers);
  if (!await destination.has(configDigest, []) && destination.layerForm === "blob") {
    const known = { digest: configDigest, size: config.length };
    expectDigest(known.digest, await destination.put({ known, open: () => once(config) }, signal));
  }
  const changed = withLayers(stored, written);
  const { bytes, mediaType } = destination.manifestForm === "oci" ? asOci(changed) : changed;
  const digest = sha256(bytes);
  const diffIds = layers.map((layer) => layer.diffId);
  await destination.putImage(
    { manifest: bytes, mediaType, digest, configDigest, config, diffIds, names },
    signal,
  );
  return digest;
}

async function writeLayers(
  options: ExportOptions,
  described: readonly ManifestLayer[],
  layers: readonly StoredLayer[],
): Promise<ManifestLayer[]> {
  const { onProgress } = options;
  const from = otherRepositories(options.image);
  const written: ManifestLayer[] = [];
  const running = new Map<string, Promise<ManifestLayer>>();
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  for (const { digest, size } of described) {
    onProgress?.({ digest, size, bytes: 0, state: "waiting" });
  }
  const next = layers.entries();
  const work = async () => {
    for (const [index, layer] of next) {
      const blob = described[index]!;
      // An image may have the same layer twice.
      const writing = running.get(blob.digest) ??
        writeLayer({ ...options, signal }, blob, layer, from);
      running.set(blob.digest, writing);
      written[index] = await writing;
    }
  };
  const workers = Array.from(
    { length: options.destination.layerForm === "tar" ? 1 : PARALLEL },
    () => work().catch((error) => failed.abort(error)),
  );
  await Promise.all(workers);
  options.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  return written;
}

async function writeLayer(
  { store, destination, signal, onProgress }: ExportOptions,
  blob: ManifestLayer,
  layer: StoredLayer,
  from: readonly string[],
): Promise<ManifestLayer> {
  const tar = destination.layerForm === "tar";
  const report = (state: PullProgress["state"], bytes: number) =>
    onProgress?.({ digest: blob.digest, size: layer.size, bytes, state });
  const isForeign = /foreign|nondistributable/.test(blob.mediaType) && (blob.urls?.length ?? 0) > 0;
  if (isForeign && !tar || await destination.has(tar ? layer.diffId : blob.digest, from)) {
    report("present", layer.size);
    return blob;
  }
  const form = tar ? "tar" : compressionOf(blob, layer);
  const open = (): ReturnType<BlobToWrite["open"]> => {
    const plain = counted(exportLayer(store, layer.id), (bytes) => report("moving", bytes));
    return form === "tar" ? plain : compress(plain, form);
  };
  const known = form === "tar" ? { digest: layer.diffId, size: layer.size } : undefined;
  const result = await destination.put({ known, open }, signal);
  if (known !== undefined) expectDigest(known.digest, result);
  report("done", layer.size);
  if (result.digest === blob.digest) return blob;
  // What annotations say of the old form (zstd:chunked's table of contents) is wrong for the new one.
  const { annotations: _, urls: __, ...rest } = blob;
  return { ...rest, digest: result.digest, size: result.size, mediaType: typeFor(blob, form) };
}

/** In which form a layer was pulled; one that came from an archive uncompressed is compressed. */
function compressionOf(blob: ManifestLayer, { record, diffId }: StoredLayer) {
  if (blob.mediaType.endsWith("zstd")) return "zstd";
  const plainType = /\.tar$/.test(blob.mediaType);
  return plainType && record.compressedDigest === diffId ? "tar" : "gzip";
}

function typeFor({ mediaType }: ManifestLayer, form: "tar" | "gzip" | "zstd"): string {
  if (form !== "gzip" || !/\.tar$/.test(mediaType)) return mediaType;
  return mediaType.startsWith("application/vnd.oci") ? `${mediaType}+gzip` : `${mediaType}.gzip`;
}

async function* counted(
  source: AsyncIterable<Uint8Array<ArrayBuffer>>,
  onBytes: (bytes: number) => void,
) {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    onBytes(bytes);
    yield chunk;
  }
}

interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

/** The manifest as it was pulled, or for schema 1 and for images without one, a new one. */
async function storedManifest(
  store: Store,
  image: ImageRecord,
  layers: readonly StoredLayer[],
  config: Uint8Array,
): Promise<StoredManifest> {
  const bytes = await store.imageData(image.id, "manifest");
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Manifest>;
  const complete = manifest.config !== undefined && Array.isArray(manifest.layers) &&
    manifest.layers.every((layer) => isDigest(layer?.digest ?? ""));
  if (complete && manifest.layers.length === layers.length) {
    const mediaType = manifest.mediaType ??
      (manifest.config.mediaType.includes("docker")
        ? MANIFEST_TYPES.dockerManifest
        : MANIFEST_TYPES.ociManifest);
    return { bytes, mediaType, manifest: manifest as Manifest };
  }
  const made: Manifest = {
    mediaType: MANIFEST_TYPES.dockerManifest,
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.length,
      digest: `sha256:${image.id}`,
    },
    layers: layers.map(({ record, diffId, size }) => ({
      mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      size: record.compressedSize ?? size,
      digest: record.compressedDigest ?? diffId,
    })),
  };
  const text = JSON.stringify({ schemaVersion: 2, ...made });
  return {
    bytes: new TextEncoder().encode(text),
    mediaType: MANIFEST_TYPES.dockerManifest,
    manifest: made,
  };
}

/** The stored bytes if nothing has changed, so that digest and signatures stay good. */
function withLayers(stored: StoredManifest, layers: readonly ManifestLayer[]) {
  const { manifest, mediaType } = stored;
  if (layers.every((layer, index) => layer === manifest.layers[index])) {
    return { bytes: stored.bytes, mediaType };
  }
  const json = JSON.parse(new TextDecoder().decode(stored.bytes)) as Record<string, unknown>;
  const bytes = new TextEncoder().encode(JSON.stringify({ ...json, layers }));
  return { bytes, mediaType };
}

/** The same manifest in the words of the image specification. Docker's config is a valid one there. */
function asOci(manifest: Pick<StoredManifest, "bytes" | "mediaType">) {
  if (manifest.mediaType !== MANIFEST_TYPES.dockerManifest) return manifest;
  const json = JSON.parse(new TextDecoder().decode(manifest.bytes)) as Manifest;
  const converted = {
    ...json,
    mediaType: MANIFEST_TYPES.ociManifest,
    config: { ...json.config, mediaType: "application/vnd.oci.image.config.v1+json" },
    layers: json.layers.map((layer) => ({ ...layer, mediaType: ociLayerType(layer.mediaType) })),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(converted));
  return { bytes, mediaType: MANIFEST_TYPES.ociManifest };
}

function ociLayerType(type: string): string {
  const kind = type.includes("foreign") ? "nondistributable.v1.tar" : "v1.tar";
  const compression = /\.tar(?:\.(gzip|zstd))?$/.exec(type)?.[1];
  return `application/vnd.oci.image.layer.${kind}${compression ? `+${compression}` : ""}`;
}

function otherRepositories(image: ImageRecord): string[] {
  return image.names.flatMap((name) => {
    try {
      return [parseReference(name).path];
    } catch {
      return [];
    }
  });
}

function expectDigest(expected: string, { digest }: { readonly digest: string }): void {
  if (expected === digest) return;
  throw new CridError("internal", `wrote ${digest} in place of ${expected}`);
}
