import { createHash } from "node:crypto";
import { CridError, wrapError } from "../../failure/mod.ts";
import { decompress, detectCompression, MAGIC_BYTES } from "../../storage/mod.ts";
import { digestMismatch, hashFor } from "../digest.ts";
import { repositoryName } from "../reference.ts";
import type { MeasuredLayer } from "../schema1.ts";
import { openBlob } from "./blob.ts";
import { withoutStall } from "./connection.ts";
import { networkFailure } from "./network_failure.ts";
import type { Place } from "./places.ts";
import type { RetryPolicy } from "./retry.ts";

/** No layer of that time comes near; a bomb does. */
const MAX_UNCOMPRESSED = 64 * 1024 ** 3;

/**
 * Reads a layer to its end to learn what its manifest does not tell: its size, and the digest of what is
 * in it.
 *
 * @throws {CridError} `invalid_argument` when it is not what its digest says; what the registry answers.
 */
export async function measureLayer(
  place: Place,
  digest: string,
  options: {
    readonly userAgent: string;
    readonly retry: RetryPolicy;
    readonly signal: AbortSignal;
  },
): Promise<MeasuredLayer> {
  const what = `layer ${digest} of ${repositoryName(place.source.reference)}`;
  const blob = { digest, size: 0, mediaType: "", urls: [] };
  const response = await openBlob(place, blob, { offset: 0 }, options);
  const compressed = hashFor(digest);
  const uncompressed = createHash("sha256");
  let size = 0;
  let uncompressedSize = 0;
  const { retry: { stallMs, progressMs } } = options;
  const counted = async function* () {
    for await (const chunk of withoutStall(response, Math.min(stallMs, progressMs || Infinity))) {
      compressed.update(chunk);
      size += chunk.length;
      // What follows the compressed data need not end either.
      if (size > MAX_UNCOMPRESSED) throw tooLong(what);
      yield chunk as Uint8Array;
    }
  };
  try {
    const [start, all] = await peeked(counted());
    for await (const chunk of decompress(all, detectCompression(start))) {
      uncompressed.update(chunk);
      uncompressedSize += chunk.length;
      if (uncompressedSize > MAX_UNCOMPRESSED) throw tooLong(what);
    }
    for await (const _ of all) { /* What follows the compressed data belongs to the blob. */ }
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    if (error instanceof CridError) throw wrapError(what, error);
    throw new CridError("unavailable", `${what}: ${networkFailure(error).message}`);
  } finally {
    response.discard();
  }
  const actual = `${digest.slice(0, digest.indexOf(":"))}:${compressed.digest("hex")}`;
  if (actual !== digest) throw digestMismatch(what, digest, actual);
  return { size, diffId: `sha256:${uncompressed.digest("hex")}` };
}

function tooLong(what: string): CridError {
  return new CridError("resource_exhausted", `${what} is longer than 64 GiB`);
}

/** The first bytes of a stream, and the whole stream, which may be read on after the reader has left it. */
async function peeked(
  source: AsyncGenerator<Uint8Array>,
): Promise<readonly [start: Uint8Array, all: AsyncIterable<Uint8Array>]> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC_BYTES) {
    const { done, value } = await source.next();
    if (done) break;
    chunks.push(value);
    length += value.length;
  }
  const start = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    start.set(chunk, at);
    at += chunk.length;
  }
  const waiting = length === 0 ? [] : [start];
  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      const first = waiting.shift();
      return first === undefined ? await source.next() : { done: false, value: first };
    },
  };
  return [start, { [Symbol.asyncIterator]: () => iterator }];
}
