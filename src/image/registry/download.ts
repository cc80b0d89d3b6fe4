import { CridError, errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import type { Chunk } from "../blob_stream.ts";
import { digestMismatch, hashFor } from "../digest.ts";
import type { BlobDescriptor } from "../types.ts";
import { oneConnection } from "./connection.ts";
import { Flow, type WideningPolicy } from "./flow.ts";
import { NetworkFailure, networkFailure } from "./network_failure.ts";
import { severalConnections } from "./ranges.ts";
import { pause, type RetryPolicy } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

export interface DownloadOptions {
  /** For messages: `blob sha256:… of host/repo`. */
  readonly what: string;
  readonly retry: RetryPolicy;
  readonly widening: WideningPolicy;
  /** `size` leaves the digest to whoever hashes the bytes anyway. */
  readonly verify: "digest" | "size";
  readonly signal: AbortSignal;
  /** Called with the bytes so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Asks for the bytes from `offset` on, up to but not including `end` if it is given. */
  open(offset: number, end?: number): Promise<HttpResponse>;
  /** Called when one place has failed for good: whether there is another one, which `open` asks then. */
  readonly elsewhere?: (error: unknown) => Promise<boolean>;
  /** Asked for when a large blob comes slowly: leave to use several connections, until it is disposed. */
  readonly severalConnections?: () => Disposable | undefined;
}

/** A connection that has brought this much starts with all its attempts again. */
const PROGRESS = 1024 * 1024;

/**
 * The bytes of a blob. A connection that breaks, stalls or ends early is resumed where it stopped; a
 * place that fails is left for the next one.
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
  const flow = new Flow(blob.size, options.widening);
  let offset = 0;
  let attempts = 0;
  let lastProgress = performance.now();
  while (offset < blob.size || attempts === 0) {
    const start = offset;
    try {
      for await (const chunk of connections(blob, offset, options, flow)) {
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
      if (retry.progressMs > 0 && performance.now() - lastProgress >= retry.progressMs) {
        throw new CridError(
          "deadline_exceeded",
          `${what}: timed out on waiting up to ${retry.progressMs / 1000} s for pull progress`,
        );
      }
      attempts = offset - start >= PROGRESS ? 1 : attempts + 1;
      if (!(error instanceof CridError) && attempts < retry.attempts) {
        const reason = networkFailure(error).message;
        log.info("resume a download", { what, offset, size: blob.size, reason });
        await pause(retry.delayMs * 2 ** (attempts - 1), signal);
        continue;
      }
      const failure = error instanceof CridError
        ? error
        : broken(what, offset, blob.size, attempts, networkFailure(error));
      if (!await options.elsewhere?.(failure)) throw failure;
      attempts = 0;
    }
  }
  if (hash === undefined) return;
  const actual = `${blob.digest.slice(0, blob.digest.indexOf(":"))}:${hash.digest("hex")}`;
  if (actual !== blob.digest) throw digestMismatch(what, blob.digest, actual);
}

/** The bytes from `offset` on: over one connection, and when that is what one waits for, over several. */
async function* connections(
  blob: BlobDescriptor,
  offset: number,
  options: DownloadOptions,
  flow: Flow,
): AsyncGenerator<Chunk> {
  let at = offset;
  let several: Disposable | undefined;
  for await (const chunk of oneConnection(blob, offset, options, flow)) {
    at += chunk.length;
    flow.came(chunk.length);
    yield chunk;
    flow.taken();
    if (flow.isSlow(at)) several = options.severalConnections?.();
    if (several !== undefined) break;
  }
  if (several === undefined) return;
  using _leave = several;
  log.debug("going on over several connections", { what: options.what, offset: at });
  // Whatever goes wrong there, one connection will do.
  flow.stayWithOne();
  try {
    yield* severalConnections(blob, at, options);
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    throw new NetworkFailure("interrupted", errorMessage(error), { cause: error });
  }
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
