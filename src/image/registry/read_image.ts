import { CridError } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { type ArtifactManifest, parseArtifact } from "../artifact/artifact_manifest.ts";
import { sha256, verifyDigest } from "../digest.ts";
import {
  choosePlatform,
  type ImageManifest,
  type ManifestList,
  parseManifest,
} from "../manifest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import { hostPlatform, type Platform } from "../platform.ts";
import { formatReference, type ImageReference, repositoryName } from "../reference.ts";
import {
  convertSchema1,
  type MeasuredLayer,
  parseSchema1,
  type Schema1Manifest,
} from "../schema1.ts";
import type { ResolvedImage } from "../types.ts";
import { readDocument } from "./client_errors.ts";
import { measureLayer } from "./measure_layer.ts";
import type { Place } from "./places.ts";
import type { RetryPolicy } from "./retry.ts";

export interface ReadImageOptions {
  readonly userAgent: string;
  readonly platform: Platform | undefined;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
}

/** What a place knows an image to be, before its signatures are looked at. */
export type ReadImage = Omit<ResolvedImage, "session" | "signatures">;

/** Limits of containers/image, so that what one tool takes the other does too. */
const MANIFEST_BYTES = 4 * 1024 * 1024;
const CONFIG_BYTES = 4 * 1024 * 1024;
/** A list may lead to a list; more than that is nobody's image. */
const MAX_LIST_DEPTH = 2;
const ACCEPT = Object.values(MANIFEST_TYPES).join(", ");

interface FoundManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
  readonly parsed:
    | ImageManifest
    | ManifestList
    | Schema1Manifest
    | ArtifactManifest & { readonly kind: "artifact" };
}

/**
 * Reads the manifest for this platform, whatever led to it, and the config. All digests are checked.
 *
 * @param name The logical name, which is what the image is called afterwards.
 */
export async function readImage(
  place: Place,
  name: ImageReference,
  options: ReadImageOptions,
): Promise<ReadImage> {
  const { source: { reference } } = place;
  const repository = repositoryName(reference);
  const top = await manifestAt(
    place,
    reference.digest ?? reference.tag ?? "latest",
    reference.digest,
    options,
  );
  let found = top;
  for (let depth = 0; found.parsed.kind === "list"; depth++) {
    if (depth === MAX_LIST_DEPTH) {
      throw new CridError("invalid_argument", `${repository}: manifest lists nest too deeply`);
    }
    const { digest } = choosePlatform(found.parsed, options.platform ?? hostPlatform());
    found = await manifestAt(place, digest, digest, options);
  }
  const manifest = found.parsed as Exclude<FoundManifest["parsed"], ManifestList>;
  if (manifest.kind === "schema1") {
    return await readSchema1(place, name, manifest, found.digest, options);
  }
  const { config } = manifest;
  const what = `config ${config.digest} of ${repository}`;
  const path = `blobs/${config.digest}`;
  const { bytes } = await document(place, what, path, "*/*", CONFIG_BYTES, options);
  verifyDigest(what, bytes, config.digest);
  return {
    name: formatReference(name),
    digest: top.digest,
    manifest: found.bytes,
    manifestDigest: found.digest,
    list: top === found ? undefined : { bytes: top.bytes, digest: top.digest },
    config: bytes,
    configDigest: config.digest,
    ...manifest.kind === "artifact"
      ? { layers: manifest.files, artifactType: manifest.type }
      : { layers: manifest.layers },
  };
}

async function manifestAt(
  place: Place,
  digestOrTag: string,
  digest: string | undefined,
  options: ReadImageOptions,
): Promise<FoundManifest> {
  const repository = repositoryName(place.source.reference);
  const what = `manifest of ${repository}${digest ? "@" : ":"}${digestOrTag}`;
  const path = `manifests/${digestOrTag}`;
  const answer = await document(place, what, path, ACCEPT, MANIFEST_BYTES, options);
  const schema1 = parseSchema1(answer.bytes);
  const bytes = schema1?.payload ?? answer.bytes;
  if (digest !== undefined) verifyDigest(what, bytes, digest);
  const artifact = parseArtifact(bytes);
  const parsed = schema1 ??
    (artifact === undefined
      ? parseManifest(bytes, answer.contentType)
      : { kind: "artifact", ...artifact } as const);
  return { bytes, digest: digest ?? sha256(bytes), parsed };
}

/** Schema 1 does not tell what is in the layers: each is read once for that, and once more to unpack it. */
async function readSchema1(
  place: Place,
  name: ImageReference,
  manifest: Schema1Manifest,
  digest: string,
  options: ReadImageOptions,
): Promise<ReadImage> {
  log.info("converting an image of Docker schema 1", { image: formatReference(name) });
  const measured = new Map<string, MeasuredLayer>();
  for (const { blob } of manifest.steps) {
    if (blob === undefined || measured.has(blob)) continue;
    measured.set(blob, await measureLayer(place, blob, options));
  }
  return {
    name: formatReference(name),
    digest,
    ...convertSchema1(manifest, measured),
    // What was asked for leads to what is stored, as a list does.
    list: { bytes: manifest.payload, digest },
  };
}

async function document(
  { client }: Place,
  what: string,
  path: string,
  accept: string,
  bytes: number,
  { retry, signal }: ReadImageOptions,
) {
  const response = await client.send({ what, path, headers: { accept } }, signal);
  const limit = { bytes, milliseconds: retry.answerMs };
  return {
    bytes: await readDocument(what, response, limit),
    contentType: response.headers.get("content-type")?.split(";", 1)[0]?.trim() ?? "",
  };
}
