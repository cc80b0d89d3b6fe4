import { CridError, errorMessage } from "../../failure/mod.ts";
import { decompress, detectCompression, MAGIC_BYTES } from "../../storage/mod.ts";
import type { Chunk } from "../blob_stream.ts";
import { quote, sha256 } from "../digest.ts";
import { parseConfig } from "../image_config.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import { formatReference, parseReference } from "../reference.ts";
import type { BlobDescriptor } from "../types.ts";
import type { ArchiveImage, ImageArchive } from "./archive.ts";
import { type ArchiveFiles, readSmall } from "./archive_files.ts";

/** Limits of containers/image. */
const MANIFEST_BYTES = 1024 * 1024;
const CONFIG_BYTES = 4 * 1024 * 1024;
const MAX_LAYERS = 500;

/** One image in `manifest.json` of `docker save`. */
interface SavedImage {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

/**
 * Reads what `docker save` and `podman save` write. There is no manifest of a registry in it: one is made of
 * the uncompressed layers, the same that other tools make.
 *
 * @throws {CridError} `invalid_argument` when it is none.
 */
export async function readDockerArchive(files: ArchiveFiles): Promise<ImageArchive> {
  const saved = parseSaved(files.path, await readSmall(files, "manifest.json", MANIFEST_BYTES));
  const layerFiles = new Map<string, string>();
  return {
    images: saved.map(({ tags }, index): ArchiveImage => ({ index, names: tags })),
    async open(index) {
      const image = saved[index];
      if (image === undefined) {
        throw new CridError("not_found", `${files.path} has no image ${index}`);
      }
      const config = await readSmall(files, image.config, CONFIG_BYTES);
      const { diffIds } = parseConfig(config);
      if (diffIds.length !== image.layers.length) {
        throw malformed(
          files.path,
          `${image.layers.length} layers, but the config tells of ${diffIds.length}`,
        );
      }
      const layers: BlobDescriptor[] = [];
      for (const [at, name] of image.layers.entries()) {
        const digest = diffIds[at]!;
        layerFiles.set(digest, name);
        const size = await uncompressedSize(files, name);
        layers.push({ digest, size, mediaType: LAYER, urls: [] });
      }
      const configDigest = sha256(config);
      const manifest = manifestOf({ digest: configDigest, size: config.length }, layers);
      const manifestDigest = sha256(manifest);
      return {
        digest: manifestDigest,
        manifest,
        manifestDigest,
        list: undefined,
        config,
        configDigest,
        layers,
      };
    },
    async *blob({ digest }) {
      const name = layerFiles.get(digest);
      if (name === undefined) throw new CridError("internal", `no layer ${digest}`);
      yield* uncompressed(files, name);
    },
  };
}

const CONFIG = "application/vnd.docker.container.image.v1+json";
const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** Member for member what containers/image writes, so that the digest is the same. */
function manifestOf(
  config: { readonly digest: string; readonly size: number },
  layers: readonly BlobDescriptor[],
): Uint8Array {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.dockerManifest,
    config: { mediaType: CONFIG, size: config.size, digest: config.digest },
    layers: layers.map(({ size, digest }) => ({ mediaType: LAYER, size, digest })),
  };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

/** The form of a layer is found from its content: newer Dockers save them compressed. */
async function* uncompressed(files: ArchiveFiles, name: string): AsyncGenerator<Chunk> {
  const compression = await compressionOf(files, name);
  const source = files.stream(name);
  for await (const chunk of decompress(source, compression)) {
    // Whoever takes a chunk owns the buffer behind it.
    yield compression === "none" ? chunk as Chunk : chunk.slice();
  }
}

async function compressionOf(files: ArchiveFiles, name: string) {
  for await (const chunk of files.stream(name)) {
    return detectCompression(chunk.subarray(0, MAGIC_BYTES));
  }
  return "none";
}

async function uncompressedSize(files: ArchiveFiles, name: string): Promise<number> {
  const size = await files.size(name);
  if (size === undefined) throw malformed(files.path, `there is no layer ${quote(name)} in it`);
  if (await compressionOf(files, name) === "none") return size;
  let length = 0;
  for await (const chunk of uncompressed(files, name)) length += chunk.length;
  return length;
}

function parseSaved(path: string, bytes: Uint8Array): readonly SavedImage[] {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(path, `manifest.json: ${errorMessage(error)}`);
  }
  if (!Array.isArray(json) || json.length === 0) throw malformed(path, "there is no image in it");
  return json.map((each): SavedImage => {
    const { Config: config, RepoTags: tags, Layers: layers } = each ?? {};
    if (typeof config !== "string" || !isTexts(layers ?? []) || !isTexts(tags ?? [])) {
      throw malformed(path, "manifest.json: an entry is not complete");
    }
    if (layers?.length > MAX_LAYERS) throw malformed(path, `more than ${MAX_LAYERS} layers`);
    return {
      config,
      layers: layers ?? [],
      tags: (tags ?? []).map((tag: string) => name(path, tag)),
    };
  });
}

function name(path: string, tag: string): string {
  try {
    return formatReference(parseReference(tag));
  } catch (error) {
    throw malformed(path, errorMessage(error));
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function malformed(path: string, why: string): CridError {
  return new CridError("invalid_argument", `${path} is no archive of docker save: ${why}`);
}
