import { createHash } from "node:crypto";
import { type Fd, isErrno, open, OpenFlag } from "../../linux/mod.ts";
import { CridError } from "../../failure/mod.ts";
import type { StagingPaths, UnpackedLayer } from "../types.ts";
import { Crc64 } from "./crc64.ts";
import { decompress, detectCompression, MAGIC_BYTES } from "./decompress.ts";
import { Extractor } from "./extractor.ts";
import type { TarHeader } from "./tar_header.ts";
import { TarReader, type TarVisitor } from "./tar_reader.ts";
import { TarSplitWriter } from "./tar_split.ts";

/** Where a layer stops being an image and becomes an attack. */
export interface UnpackLimits {
  /** Bytes of the uncompressed archive. */
  readonly maxSize: number;
  readonly maxEntries: number;
}

/**
 * Unpacks one layer: decompresses, hashes both forms, writes the tree and the tar-split data, all
 * in one pass over the bytes.
 *
 * @param source The blob as the registry sent it.
 * @param paths Places of a `LayerStaging`; on failure what was written there is left to it.
 * @throws {CridError} `invalid_argument` for a broken or hostile archive, `resource_exhausted` for
 * one over the limits or a full disk.
 */
export async function unpackLayer(
  source: AsyncIterable<Uint8Array>,
  paths: StagingPaths,
  limits: UnpackLimits,
  signal: AbortSignal,
): Promise<UnpackedLayer> {
  using root = open(paths.diff, OpenFlag.READ | OpenFlag.DIRECTORY);
  using unpacking = new Unpacking(root, paths, limits);
  try {
    return await unpacking.run(source, signal);
  } catch (error) {
    if (!isErrno(error, "ENOSPC", "EDQUOT")) throw error;
    throw new CridError(
      "resource_exhausted",
      `unpack a layer to ${paths.diff}: no space left on the file system of the storage root`,
      { cause: error },
    );
  }
}

class Unpacking implements TarVisitor, Disposable {
  readonly #limits: UnpackLimits;
  readonly #extractor: Extractor;
  readonly #tarSplit: TarSplitWriter;
  readonly #reader = new TarReader(this);
  readonly #diffHash = createHash("sha256");
  #diffSize = 0;
  #entries = 0;
  #header: TarHeader | undefined;
  readonly #checksum = new Crc64();

  constructor(root: Fd, paths: StagingPaths, limits: UnpackLimits) {
    this.#limits = limits;
    this.#extractor = new Extractor(root);
    this.#tarSplit = new TarSplitWriter(paths.tarSplit);
  }

  async run(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<UnpackedLayer> {
    const blob = new Blob256(source);
    const compression = detectCompression(await blob.peek(MAGIC_BYTES));
    for await (const chunk of decompress(blob, compression)) {
      signal.throwIfAborted();
      this.#diffSize += chunk.length;
      if (this.#diffSize > this.#limits.maxSize) {
        throw tooMuch(`more than ${this.#limits.maxSize} bytes`);
      }
      this.#diffHash.update(chunk);
      this.#reader.write(chunk);
      await this.#tarSplit.drained();
    }
    // Padding after the compressed stream belongs to the blob, and to its digest.
    await blob.drain();
    // A blob of no bytes at all is an empty layer.
    if (this.#diffSize > 0) this.#reader.finish();
    this.#extractor.finish();
    await this.#tarSplit.finish();
    return {
      diffDigest: `sha256:${this.#diffHash.digest("hex")}`,
      diffSize: this.#diffSize,
      compressedDigest: blob.digest(),
      compressedSize: blob.size,
      compression,
      uids: sorted(this.#extractor.uids),
      gids: sorted(this.#extractor.gids),
    };
  }

  raw(bytes: Uint8Array): void {
    this.#tarSplit.raw(bytes);
  }

  entry(header: TarHeader): void {
    this.#entries++;
    if (this.#entries > this.#limits.maxEntries) {
      throw tooMuch(`more than ${this.#limits.maxEntries} entries`);
    }
    this.#header = header;
    this.#extractor.entry(header);
  }

  content(bytes: Uint8Array): void {
    this.#checksum.update(bytes);
    this.#extractor.content(bytes);
  }

  endOfEntry(): void {
    const { name, size } = this.#header!;
    this.#extractor.endOfEntry();
    this.#tarSplit.file(name, size, size === 0 ? null : this.#checksum.finish());
  }

  [Symbol.dispose](): void {
    this.#tarSplit.abort();
    this.#extractor[Symbol.dispose]();
  }
}

/** A blob as it passes by: its first bytes can be looked at, and all of it is hashed. */
class Blob256 implements AsyncIterable<Uint8Array> {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #hash = createHash("sha256");
  #peeked: Uint8Array[] = [];
  size = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** The first bytes, `count` of them if there are so many; they are read again later. */
  async peek(count: number): Promise<Uint8Array> {
    let length = 0;
    while (length < count) {
      const { done, value } = await this.#iterator.next();
      if (done) break;
      this.#peeked.push(value);
      length += value.length;
    }
    const start = new Uint8Array(Math.min(count, length));
    let at = 0;
    for (const chunk of this.#peeked) {
      start.set(chunk.subarray(0, start.length - at), at);
      at = Math.min(start.length, at + chunk.length);
    }
    return start;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (const chunk of this.#peeked.splice(0)) yield this.#count(chunk);
    for (;;) {
      const { done, value } = await this.#iterator.next();
      if (done) return;
      yield this.#count(value);
    }
  }

  /** Reads what the decompressor did not want. */
  async drain(): Promise<void> {
    for await (const _ of this) { /* counted */ }
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }

  #count(chunk: Uint8Array): Uint8Array {
    this.size += chunk.length;
    this.#hash.update(chunk);
    return chunk;
  }
}

function tooMuch(what: string): CridError {
  return new CridError("resource_exhausted", `the layer has ${what}; crid does not unpack that`);
}

function sorted(ids: ReadonlySet<number>): number[] {
  return Array.from(ids).sort((a, b) => a - b);
}
