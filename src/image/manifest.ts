import { CridError, errorMessage } from "../failure/mod.ts";
import { isDigest, quote } from "./digest.ts";
import { CONFIG_TYPES, LAYER_TYPES, MANIFEST_TYPES } from "./media_types.ts";
import { type Platform, platformName, platformRank } from "./platform.ts";
import type { BlobDescriptor } from "./types.ts";

/** The manifest of one image for one platform. */
export interface ImageManifest {
  readonly kind: "image";
  readonly config: BlobDescriptor;
  readonly layers: readonly BlobDescriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest list (Docker) or index (OCI). */
export interface ManifestList {
  readonly kind: "list";
  readonly format: "docker" | "oci";
  readonly entries: readonly ListEntry[];
}

/** One manifest that a list points to. */
export interface ListEntry extends BlobDescriptor {
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Overlay takes no more lower directories than this. */
const MAX_LAYERS = 500;

/**
 * Reads a manifest of either format. The kind comes from the content; the `Content-Type` header only
 * helps where the content does not say.
 *
 * @throws {CridError} `invalid_argument` for anything malformed or ambiguous, `unimplemented` for Docker
 * schema 1 (which a registry's image is converted from before), artifacts and encrypted layers.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string,
): ImageManifest | ManifestList {
  const json = asObject(parseJson(bytes), "the manifest");
  const type = typeof json.mediaType === "string" ? json.mediaType : contentType;
  if (json.schemaVersion === 1 || "fsLayers" in json) {
    throw new CridError(
      "unimplemented",
      "the image has a Docker schema 1 manifest, a format retired in 2017; " +
        "push it again with a current tool",
    );
  }
  if (json.schemaVersion !== 2) throw malformed("schemaVersion is not 2");
  const isList = Array.isArray(json.manifests);
  const isImage = json.config !== undefined || json.layers !== undefined;
  // One text that two readers take for two different images is an attack (CVE-2021-41190).
  if (isList && isImage) throw malformed("it has both manifests and layers");
  if (isList) {
    return {
      kind: "list",
      format: type === MANIFEST_TYPES.dockerList ? "docker" : "oci",
      entries: (json.manifests as unknown[]).map(parseListEntry),
    };
  }
  if (!isImage) throw malformed("it has neither layers nor manifests");
  return parseImageManifest(json);
}

/**
 * Reads the index of an image layout: what is in it need not be for this platform, or have one.
 *
 * @throws {CridError} `invalid_argument` for anything malformed.
 */
export function parseIndex(bytes: Uint8Array): ManifestList {
  const json = asObject(parseJson(bytes), "index.json");
  if (json.schemaVersion !== 2) throw malformed("schemaVersion of index.json is not 2");
  if (!Array.isArray(json.manifests)) throw malformed("index.json has no manifests");
  return { kind: "list", format: "oci", entries: json.manifests.map(parseListEntry) };
}

/**
 * The entry of `list` that suits `host` best. Docker lists are taken in their order; in an OCI index
 * a zstd copy goes before a gzip one, and entries without a platform come last.
 *
 * @throws {CridError} `not_found` naming the platforms that there are.
 */
export function choosePlatform(list: ManifestList, host: Platform): ListEntry {
  const ranked = list.entries.map((entry, index) => {
    const rank = entry.platform === undefined
      ? list.format === "oci" ? Number.MAX_SAFE_INTEGER : undefined
      : platformRank(host, entry.platform);
    const zstd = entry.annotations["io.github.containers.compression.zstd"] === "true";
    return { entry, index, rank, preference: list.format === "oci" && zstd ? 0 : 1 };
  });
  const [best] = ranked.filter((each) => each.rank !== undefined).sort((a, b) =>
    a.rank! - b.rank! || a.preference - b.preference || a.index - b.index
  );
  if (best !== undefined) return best.entry;
  const offered = list.entries.flatMap((entry) =>
    entry.platform === undefined ? [] : [platformName(entry.platform)]
  );
  throw new CridError(
    "not_found",
    `the image has no variant for ${platformName(host)}; it has ${
      quote([...new Set(offered)].join(", ") || "none")
    }`,
  );
}

function parseImageManifest(json: JsonObject): ImageManifest {
  const config = parseDescriptor(json.config, "the config");
  const artifactType = typeof json.artifactType === "string" ? json.artifactType : undefined;
  if (artifactType !== undefined || !CONFIG_TYPES.has(config.mediaType)) {
    throw new CridError(
      "unimplemented",
      `it is an OCI artifact of type ${
        quote(artifactType ?? config.mediaType)
      }, no container image`,
    );
  }
  if (!Array.isArray(json.layers)) throw malformed("layers is no list");
  if (json.layers.length > MAX_LAYERS) {
    throw malformed(`${json.layers.length} layers; the overlay driver takes ${MAX_LAYERS}`);
  }
  return {
    kind: "image",
    config,
    layers: json.layers.map(parseLayer),
    annotations: stringMap(json.annotations),
  };
}

function parseLayer(value: unknown, index: number): BlobDescriptor {
  const layer = parseDescriptor(value, `layer ${index + 1}`);
  if (LAYER_TYPES.has(layer.mediaType)) return layer;
  if (layer.mediaType.endsWith("+encrypted")) {
    throw new CridError(
      "unimplemented",
      `layer ${index + 1} is encrypted (${layer.mediaType}), which is not supported`,
    );
  }
  throw malformed(`layer ${index + 1} has the unknown media type ${quote(layer.mediaType)}`);
}

function parseListEntry(value: unknown, index: number): ListEntry {
  const what = `manifest ${index + 1} of the list`;
  const json = asObject(value, what);
  const platform = json.platform === undefined || json.platform === null
    ? undefined
    : asObject(json.platform, what);
  return {
    ...parseDescriptor(value, what),
    annotations: stringMap(json.annotations),
    platform: platform && {
      os: String(platform.os ?? ""),
      architecture: String(platform.architecture ?? ""),
      variant: String(platform.variant ?? ""),
    },
  };
}

function parseDescriptor(value: unknown, what: string): BlobDescriptor {
  const json = asObject(value, what);
  const { digest, size, mediaType } = json;
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw malformed(`${what} has the invalid digest ${quote(String(digest))}`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(`${what} has the invalid size ${quote(String(size))}`);
  }
  const urls = Array.isArray(json.urls)
    ? json.urls.filter((url): url is string => typeof url === "string")
    : [];
  return { digest, size, mediaType: typeof mediaType === "string" ? mediaType : "", urls };
}

type JsonObject = Record<string, unknown>;

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(errorMessage(error));
  }
}

function asObject(value: unknown, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw malformed(`${what} is no JSON object`);
}

function stringMap(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    ),
  );
}

function malformed(why: string): CridError {
  return new CridError("invalid_argument", `the manifest is malformed: ${why}`);
}
