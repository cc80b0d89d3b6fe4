import { isDigest } from "../digest.ts";
import { CONFIG_TYPES } from "../media_types.ts";
import type { BlobDescriptor } from "../types.ts";

/** A manifest whose layers are files and no root file system (OCI image-spec 1.1). */
export interface ArtifactManifest {
  readonly type: string;
  readonly config: BlobDescriptor;
  readonly files: readonly ArtifactFile[];
}

/** One file of an artifact. */
export interface ArtifactFile extends BlobDescriptor {
  /** Its path in the artifact; the digest's digits for a file without a title. */
  readonly title: string;
}

const TITLE = "org.opencontainers.image.title";
/** Of the CNCF's model specification. */
const MODEL_PATH = "org.cncf.model.filepath";
const MAX_FILES = 1000;

/**
 * Reads a manifest if it is an artifact's: one with an artifact type, or a config that is no container
 * image's. Anything else, also anything malformed, is `undefined`.
 */
export function parseArtifact(bytes: Uint8Array): ArtifactManifest | undefined {
  let json;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const { schemaVersion, manifests, artifactType, config, layers } = json ?? {};
  if (schemaVersion !== 2 || manifests !== undefined || !Array.isArray(layers)) return undefined;
  const configDescriptor = descriptor(config);
  if (configDescriptor === undefined || layers.length > MAX_FILES) return undefined;
  const isTyped = typeof artifactType === "string" && artifactType !== "";
  if (!isTyped && CONFIG_TYPES.has(configDescriptor.mediaType)) return undefined;
  const files: ArtifactFile[] = [];
  for (const layer of layers) {
    const file = descriptor(layer);
    if (file === undefined) return undefined;
    const title = layer.annotations?.[TITLE] ?? layer.annotations?.[MODEL_PATH];
    files.push({ ...file, title: safeTitle(title, file.digest) });
  }
  const type = isTyped ? artifactType : configDescriptor.mediaType;
  return { type, config: configDescriptor, files };
}

function descriptor(value: unknown): BlobDescriptor | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { digest, size, mediaType } = value as Record<string, unknown>;
  if (typeof digest !== "string" || !isDigest(digest)) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  return { digest, size, mediaType: typeof mediaType === "string" ? mediaType : "", urls: [] };
}

/** A title is a path below the artifact; one that leads elsewhere is none. */
function safeTitle(title: unknown, digest: string): string {
  const fallback = digest.slice(digest.indexOf(":") + 1);
  // deno-lint-ignore no-control-regex
  if (typeof title !== "string" || title.length > 1024 || /[\x00-\x1f]/.test(title)) {
    return fallback;
  }
  const parts = title.split("/").filter((part) => part !== "" && part !== ".");
  return parts.length === 0 || parts.includes("..") ? fallback : parts.join("/");
}
