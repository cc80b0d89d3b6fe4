import type { JsonRecord } from "./json_file.ts";
import { strings, text } from "./layers.ts";
import type { Digest, ImageRecord } from "./types.ts";

/** All images and the ways to find one, computed once for each state of images.json. */
export interface ImageIndex {
  readonly images: readonly ImageRecord[];
  readonly byId: ReadonlyMap<string, ImageRecord>;
  readonly byName: ReadonlyMap<string, ImageRecord>;
  readonly byDigest: ReadonlyMap<Digest, readonly ImageRecord[]>;
}

/** The records of one images.json. */
export function imageRecords(records: Iterable<JsonRecord>): readonly ImageRecord[] {
  return Array.from(records, imageRecord);
}

/**
 * Indexes the images of several stores, the store's own first: an image that is in two of them is that
 * of the first, and so is a name.
 */
export function indexImages(stores: readonly (readonly ImageRecord[])[]): ImageIndex {
  const images: ImageRecord[] = [];
  const byId = new Map<string, ImageRecord>();
  const byName = new Map<string, ImageRecord>();
  const byDigest = new Map<Digest, ImageRecord[]>();
  for (const record of stores.flat()) {
    if (byId.has(record.id)) continue;
    const names = record.names.filter((name) => !byName.has(name));
    const image = names.length === record.names.length ? record : { ...record, names };
    images.push(image);
    byId.set(image.id, image);
    for (const name of names) byName.set(name, image);
    for (const digest of image.digests) {
      const same = byDigest.get(digest);
      if (same === undefined) byDigest.set(digest, [image]);
      else same.push(image);
    }
  }
  return { images, byId, byName, byDigest };
}

/** Finds an image by id, name, `name@digest` or unique prefix of its id. */
export function findImage(index: ImageIndex, idOrName: string): ImageRecord | undefined {
  return index.byId.get(idOrName) ?? index.byName.get(idOrName) ??
    findByDigest(index, idOrName) ?? findByPrefix(index, idOrName);
}

/** An image as callers see it. */
export function imageRecord(record: JsonRecord): ImageRecord {
  const digest = text(record["digest"]);
  const digests = new Set<Digest>(digest === undefined ? [] : [digest]);
  const dataDigests = dictionary(record["big-data-digests"]);
  for (const [key, value] of Object.entries(dataDigests)) {
    if (key.startsWith("manifest") && typeof value === "string") digests.add(value);
  }
  const created = text(record["created"]);
  const metadata = text(record["metadata"]) ?? "";
  return {
    id: record.id,
    digest,
    digests: [...digests],
    names: strings(record["names"]),
    namesHistory: strings(record["names-history"]),
    layer: text(record["layer"]),
    bigDataNames: strings(record["big-data-names"]),
    ...(metadata === "" || metadata === "{}" ? {} : { metadata }),
    created: created === undefined ? undefined : new Date(created),
  };
}

/** Bytes of an image's big data. */
export function bigDataSize(record: JsonRecord): number {
  let sum = 0;
  for (const size of Object.values(dictionary(record["big-data-sizes"]))) {
    if (typeof size === "number" && size > 0) sum += size;
  }
  return sum;
}

/** A member that is an object; `{}` for anything else. */
export function dictionary(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}

/** `repo@digest` means the image of this digest that has a name in this repository. */
function findByDigest(index: ImageIndex, name: string): ImageRecord | undefined {
  const at = name.indexOf("@");
  if (at < 0) return undefined;
  const repository = repositoryOf(name.slice(0, at));
  return index.byDigest.get(name.slice(at + 1))
    ?.find((image) => image.names.some((known) => repositoryOf(known) === repository));
}

/** A name without its tag and digest. */
function repositoryOf(name: string): string {
  const path = name.split("@", 1)[0] ?? "";
  const colon = path.lastIndexOf(":");
  return colon > path.lastIndexOf("/") ? path.slice(0, colon) : path;
}

/** Shorter prefixes are too easily something else. */
const MIN_PREFIX = 3;

function findByPrefix(index: ImageIndex, prefix: string): ImageRecord | undefined {
  if (!/^[0-9a-f]+$/.test(prefix) || prefix.length < MIN_PREFIX) return undefined;
  const matches = index.images.filter((image) => image.id.startsWith(prefix));
  return matches.length === 1 ? matches[0] : undefined;
}
