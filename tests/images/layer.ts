/**
 * Layers: a tar archive, its diff ID and the blob that a registry serves.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { type Duplex, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, createZstdCompress } from "node:zlib";
import { cachedFile, cacheKey, cachePath, putFile } from "./cache.ts";
import { tarChunks, type TarEntry } from "./tar.ts";

export type Compression = "gzip" | "zstd" | "none";

/** A blob: bytes that a registry serves by digest. */
export interface Blob {
  /** `sha256:…` */
  readonly digest: string;
  readonly size: number;
  readonly content: Uint8Array<ArrayBuffer> | { readonly path: string };
}

export interface Layer {
  readonly blob: Blob;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  readonly compression: Compression;
}

/** `sha256:` of bytes. */
export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function bytesBlob(content: Uint8Array<ArrayBuffer>): Blob {
  return { digest: sha256(content), size: content.length, content };
}

/** Builds a layer from entries; the same entries give the same blob without compressing again. */
export async function layer(
  entries: readonly TarEntry[],
  compression: Compression = "gzip",
): Promise<Layer> {
  const chunks = [...tarChunks(entries)];
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return await cachedLayer(hash.digest("hex"), compression, () => chunks);
}

/**
 * Builds a layer too large for memory. `recipe` stands for what `entries` yields: it names the cache
 * entry, so it changes whenever they do.
 */
export async function generatedLayer(
  recipe: string,
  entries: () => Iterable<TarEntry>,
): Promise<Layer> {
  return await cachedLayer(cacheKey(recipe), "gzip", () => tarChunks(entries()));
}

/** What is kept beside a cached blob. */
interface BlobRecord {
  readonly diffId: string;
  readonly digest: string;
  readonly size: number;
}

async function cachedLayer(
  key: string,
  compression: Compression,
  chunks: () => Iterable<Uint8Array>,
): Promise<Layer> {
  const name = `${key}.${{ gzip: "tar.gz", zstd: "tar.zst", none: "tar" }[compression]}`;
  const record = await cachedFile(`${name}.json`, async (path) => {
    let sums: BlobRecord | undefined;
    await putFile(name, async (blob) => {
      sums = await writeBlob(blob, compression, chunks());
    });
    await Deno.writeTextFile(path, JSON.stringify(sums));
  });
  const { diffId, digest, size }: BlobRecord = JSON.parse(await Deno.readTextFile(record));
  return { blob: { digest, size, content: { path: cachePath(name) } }, diffId, compression };
}

async function writeBlob(
  path: string,
  compression: Compression,
  chunks: Iterable<Uint8Array>,
): Promise<BlobRecord> {
  const tarHash = createHash("sha256");
  const blobHash = createHash("sha256");
  let size = 0;
  const measure = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      blobHash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline([
    Readable.from(batches(chunks, tarHash)),
    ...compressors(compression),
    measure,
    createWriteStream(path),
  ]);
  return {
    diffId: `sha256:${tarHash.digest("hex")}`,
    digest: `sha256:${blobHash.digest("hex")}`,
    size,
  };
}

/** Joins small chunks, since a stream step per tar header is slow, and hashes what goes by. */
function* batches(chunks: Iterable<Uint8Array>, hash: Hash): Generator<Uint8Array> {
  const size = 256 * 1024;
  let batch = new Uint8Array(size);
  let used = 0;
  for (const chunk of chunks) {
    if (used + chunk.length > size) {
      hash.update(batch.subarray(0, used));
      yield batch.subarray(0, used);
      batch = new Uint8Array(size);
      used = 0;
    }
    if (chunk.length > size) {
      hash.update(chunk);
      yield chunk;
    } else {
      batch.set(chunk, used);
      used += chunk.length;
    }
  }
  hash.update(batch.subarray(0, used));
  yield batch.subarray(0, used);
}

function compressors(compression: Compression): Duplex[] {
  switch (compression) {
    case "gzip":
      return [createGzip({ level: 5, chunkSize: 256 * 1024 })];
    case "zstd":
      return [createZstdCompress({ chunkSize: 256 * 1024 })];
    case "none":
      return [];
  }
}
