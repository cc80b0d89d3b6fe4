/**
 * Docker's image manifest, schema 1: retired in 2017, and still what very old images have. Its layers are
 * listed newest first, without sizes, and their uncompressed digests are told nowhere.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { CridError, errorMessage } from "../failure/mod.ts";
import { isDigest, quote, sha256 } from "./digest.ts";
import { MANIFEST_TYPES } from "./media_types.ts";
import type { BlobDescriptor } from "./types.ts";

/** One step of an image's history, the base first; without a blob it has changed no file. */
export interface Schema1Step {
  readonly blob: string | undefined;
  /** The image's config as of this step. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface Schema1Manifest {
  readonly kind: "schema1";
  /** What the digest is of: the document without its signatures. */
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly steps: readonly Schema1Step[];
}

/** What unpacking a layer has told of it. */
export interface MeasuredLayer {
  readonly size: number;
  readonly diffId: string;
}

/** An image in the form of schema 2. */
export interface ConvertedImage {
  readonly manifest: Uint8Array<ArrayBuffer>;
  readonly manifestDigest: string;
  readonly config: Uint8Array<ArrayBuffer>;
  readonly configDigest: string;
  readonly layers: readonly BlobDescriptor[];
}

/** Overlay takes no more, and throwaway steps come on top. */
const MAX_STEPS = 2000;
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";

/**
 * Reads a manifest if it is one of schema 1.
 *
 * @throws {CridError} `invalid_argument` for a malformed one.
 */
export function parseSchema1(bytes: Uint8Array): Schema1Manifest | undefined {
  const json = parsed(bytes);
  if (json === undefined || (json.schemaVersion !== 1 && !("fsLayers" in json))) return undefined;
  const payload = json.signatures === undefined ? new Uint8Array(bytes) : unsigned(bytes, json);
  const { fsLayers, history } = parsed(payload) ?? {};
  if (!Array.isArray(fsLayers) || !Array.isArray(history) || fsLayers.length !== history.length) {
    throw malformed("fsLayers and history are no lists of the same length");
  }
  if (fsLayers.length === 0 || fsLayers.length > MAX_STEPS) {
    throw malformed(`it has ${fsLayers.length} layers`);
  }
  const steps = fsLayers.map((layer, at): Schema1Step => {
    const blob = object(layer).blobSum;
    if (typeof blob !== "string" || !isDigest(blob)) {
      throw malformed(`layer ${at + 1} has the invalid digest ${quote(String(blob))}`);
    }
    const config = compatibility(object(history[at]).v1Compatibility);
    return { blob: config.throwaway === true ? undefined : blob, config };
  });
  return { kind: "schema1", payload, steps: steps.reverse() };
}

/**
 * Says in schema 2 what a manifest of schema 1 says. The config is made as containers/image makes it, so
 * that the image has the same id everywhere.
 *
 * @param measured By blob digest.
 */
export function convertSchema1(
  { steps }: Schema1Manifest,
  measured: ReadonlyMap<string, MeasuredLayer>,
): ConvertedImage {
  const layers = steps.flatMap(({ blob }) => {
    const layer = blob === undefined ? undefined : measured.get(blob);
    return blob === undefined || layer === undefined
      ? []
      : [{ digest: blob, size: layer.size, mediaType: LAYER_TYPE, urls: [] }];
  });
  const diffIds = layers.map(({ digest }) => measured.get(digest)!.diffId);
  const config = encoded(configOf(steps, diffIds));
  const configDigest = sha256(config);
  const manifest = encoded({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.dockerManifest,
    config: { mediaType: CONFIG_TYPE, size: config.length, digest: configDigest },
    layers: layers.map(({ digest, size, mediaType }) => ({ mediaType, size, digest })),
  });
  return { manifest, manifestDigest: sha256(manifest), config, configDigest, layers };
}

/** Members of a step's config that are about the step and not about the image. */
const STEP_MEMBERS = new Set(["id", "parent", "parent_id", "layer_id", "throwaway", "Size"]);

function configOf(steps: readonly Schema1Step[], diffIds: readonly string[]): unknown {
  const newest = steps.at(-1)?.config ?? {};
  const kept = Object.entries(newest).filter(([key]) => !STEP_MEMBERS.has(key));
  const members: [string, unknown][] = [
    ...kept.filter(([key]) => key !== "rootfs" && key !== "history"),
    ["rootfs", { type: "layers", diff_ids: diffIds }],
    ["history", steps.map(historyOf)],
  ];
  return Object.fromEntries(members.sort(([a], [b]) => a < b ? -1 : 1));
}

function historyOf({ blob, config }: Schema1Step): unknown {
  const { created, author, comment, container_config } = config;
  const command = object(container_config ?? {}).Cmd;
  const createdBy = Array.isArray(command) ? command.join(" ") : "";
  const text = (key: string, value: unknown) =>
    typeof value === "string" && value !== "" ? { [key]: value } : {};
  return {
    created: typeof created === "string" ? goTime(created) : "0001-01-01T00:00:00Z",
    ...text("author", author),
    ...text("created_by", createdBy),
    ...text("comment", comment),
    ...blob === undefined ? { empty_layer: true } : {},
  };
}

/** A time as Go writes it: no zeros at the end of the fraction. */
function goTime(text: string): string {
  return text.replace(/\.(\d*?)0+(?=\D|$)/, (_, digits) => digits === "" ? "" : `.${digits}`);
}

/** Go's JSON escapes what HTML would take for markup. */
function encoded(value: unknown): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return new TextEncoder().encode(text);
}

/** The document that was signed: up to where the signatures begin, and what followed them. */
function unsigned(
  bytes: Uint8Array,
  { signatures }: Record<string, unknown>,
): Uint8Array<ArrayBuffer> {
  const first = Array.isArray(signatures) ? object(signatures[0]).protected : undefined;
  const text = typeof first === "string" ? Buffer.from(first, "base64url") : new Uint8Array();
  const { formatLength, formatTail } = parsed(text) ?? {};
  const length = Number(formatLength);
  if (!Number.isSafeInteger(length) || length < 0 || length > bytes.length) {
    throw malformed("its signature does not say what was signed");
  }
  const tail = Buffer.from(typeof formatTail === "string" ? formatTail : "", "base64url");
  return new Uint8Array(Buffer.concat([bytes.subarray(0, length), tail]));
}

function compatibility(text: unknown): Record<string, unknown> {
  if (typeof text !== "string") throw malformed("history has no v1Compatibility");
  try {
    return object(JSON.parse(text));
  } catch (error) {
    throw malformed(`v1Compatibility: ${errorMessage(error)}`);
  }
}

function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    return object(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return undefined;
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw malformed("a member is no object");
}

function malformed(why: string): CridError {
  return new CridError("invalid_argument", `the schema 1 manifest is malformed: ${why}`);
}
