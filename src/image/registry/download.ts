import { CridError } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import type { Chunk } from "../blob_stream.ts";
import { digestMismatch, hashFor } from "../digest.ts";
import type { BlobDescriptor } from "../types.ts";
import { NetworkFailure, networkFailure } from "./network_failure.ts";
import { pause, type RetryPolicy } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

export interface DownloadOptions {
  /** For messages: `blob sha256:… of host/repo`. */
  readonly what: string;
  readonly retry: RetryPolicy;
  /** `size` leaves the digest to whoever hashes the bytes anyway. */
  readonly verify: "digest" | "size";
  readonly signal: AbortSignal;
  /** Called with the bytes so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Asks for the bytes from `offset` on. */
  open(offset: number): Promise<HttpResponse>;
}

/** A connection that has brought this much starts with all its attempts again. */
const PROGRESS = 1024 * 1024;

/**
 * The bytes of a blob. A connection that breaks, stalls or ends early is resumed where it stopped.
 *
 * @throws {CridError} `invalid_argument` when the content is not what the descriptor says,
 * `unavailable` when the connection breaks again and again, what `open` throws, or the signal's reason.
 */
export async function* download(
  blob: BlobDescriptor,
  options: DownloadOptions,
): AsyncGenerator<Chunk> {
  const { what, retry, signal } = options;
  const hash = options.verify === "digest" ? hashFor(blob.digest) : undefined;
  let offset = 0;
  let attempts = 0;
  let lastProgress = performance.now();
  while (offset < blob.size || attempts === 0) {
    const start = offset;
    try {
      for await (const chunk of piece(blob, offset, options)) {
        hash?.update(chunk);
        offset += chunk.length;
        yield chunk;
        lastProgress = performance.now();
        options.onBytes?.(offset);
      }
      if (offset === blob.size) break;
      throw new NetworkFailure("interrupted", "it ended early");
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof CridError) throw error;
      const failure = networkFailure(error);
      attempts = offset - start >= PROGRESS ? 1 : attempts + 1;
      if (retry.progressMs > 0 && performance.now() - lastProgress >= retry.progressMs) {
        throw new CridError(
          "deadline_exceeded",
          `${what}: timed out on waiting up to ${retry.progressMs / 1000} s for pull progress`,
        );
      }
      if (attempts >= retry.attempts) throw broken(what, offset, blob.size, attempts, failure);
      log.info("resume a download", { what, offset, size: blob.size, reason: failure.message });
      await pause(retry.delayMs * 2 ** (attempts - 1), signal);
    }
  }
  if (hash === undefined) return;
  const actual = `${blob.digest.slice(0, blob.digest.indexOf(":"))}:${hash.digest("hex")}`;
  if (actual !== blob.digest) throw digestMismatch(what, blob.digest, actual);
}

/** One answer's share of the blob, from `offset` to where the answer ends. */
async function* piece(
  blob: BlobDescriptor,
  offset: number,
  { what, retry, open }: DownloadOptions,
): AsyncGenerator<Chunk> {
  const response = await open(offset);
  // A server without ranges begins again: what is here already is passed over.
  let skip = response.status === 206 ? 0 : offset;
  let left = blob.size - offset;
  try {
    checkAnnouncement(what, blob, offset, response);
    const stallMs = Math.min(retry.stallMs, retry.progressMs || Infinity);
    for await (const chunk of withoutStall(response, stallMs)) {
      const passed = Math.min(skip, chunk.length);
      skip -= passed;
      if (passed === chunk.length) continue;
      const fresh = passed === 0 ? chunk : chunk.slice(passed);
      left -= fresh.length;
      if (left < 0) throw wrongSize(what, `the registry sends more than ${blob.size} bytes`);
      yield fresh;
    }
  } finally {
    response.discard();
  }
}

function checkAnnouncement(
  what: string,
  blob: BlobDescriptor,
  offset: number,
  { status, headers }: HttpResponse,
): void {
  if (status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
    if (range !== null && Number(range[1]) === offset && Number(range[2]) < blob.size) return;
    throw wrongSize(what, "the registry answers with another range than was asked for");
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== blob.size) {
    throw wrongSize(what, `the manifest says ${blob.size} bytes, the registry sends ${length}`);
  }
}

/** The body, broken off when nothing comes for too long. A reader that pauses does not count. */
async function* withoutStall(response: HttpResponse, stallMs: number): AsyncGenerator<Chunk> {
  const iterator = response.body[Symbol.asyncIterator]();
  while (true) {
    let stalled = false;
    const timer = setTimeout(() => {
      stalled = true;
      response.discard();
    }, stallMs);
    let next: IteratorResult<Chunk>;
    try {
      next = await iterator.next();
    } catch (error) {
      if (!stalled) throw error;
      throw new NetworkFailure("interrupted", `no data for ${stallMs / 1000} s`);
    } finally {
      clearTimeout(timer);
    }
    if (next.done) return;
    yield next.value;
  }
}

function wrongSize(what: string, why: string): CridError {
  return new CridError("invalid_argument", `${what}: wrong size: ${why}`);
}

function broken(
  what: string,
  offset: number,
  size: number,
  attempts: number,
  failure: NetworkFailure,
): CridError {
  return new CridError(
    "unavailable",
    `RegistryUnavailable: ${what}: the connection broke ${attempts} times, ` +
      `after ${offset} of ${size} bytes: ${failure.message}`,
    { cause: failure },
  );
}
