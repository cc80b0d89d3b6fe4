import { CridError, errorMessage, isCode } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { repositoryName } from "../reference.ts";
import type { BlobDescriptor } from "../types.ts";
import type { Place } from "./places.ts";
import { followRedirects } from "./redirects.ts";
import type { RetryPolicy } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

/** Which bytes of a blob: from `offset` on, up to but not including `end` if it is given. */
export interface BlobRange {
  readonly offset: number;
  readonly end?: number | undefined;
}

export interface BlobRequestOptions {
  readonly userAgent: string;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
}

/**
 * Asks for a blob. A foreign layer is asked for at its own addresses first, then like any other.
 *
 * @throws {CridError} As `RegistryClient.send`.
 */
export async function openBlob(
  { client, transports, source }: Place,
  blob: BlobDescriptor,
  { offset, end }: BlobRange,
  { userAgent, retry, signal }: BlobRequestOptions,
): Promise<HttpResponse> {
  const range = end === undefined ? `bytes=${offset}-` : `bytes=${offset}-${end - 1}`;
  const headers: Record<string, string> = offset === 0 && end === undefined ? {} : { range };
  for (const address of blob.urls) {
    const url = URL.parse(address);
    if (url === null || !/^https?:$/.test(url.protocol)) continue;
    const transport = (host: string) =>
      transports.for(host, source.insecure ? "skipped" : "required");
    try {
      const response = await followRedirects(
        { method: "GET", url, headers: { ...headers, "user-agent": userAgent } },
        { transport, answerMs: retry.answerMs, signal },
      );
      if (response.status === 200 || response.status === 206) return response;
      response.discard();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      log.debug("foreign layer is not at its address", {
        host: url.host,
        error: errorMessage(error),
      });
    }
  }
  const what = `blob ${blob.digest} of ${repositoryName(source.reference)}`;
  try {
    return await client.send({ what, path: `blobs/${blob.digest}`, headers }, signal);
  } catch (error) {
    // 416 means that there is nothing behind the offset: the blob is shorter than it should be.
    if (offset > 0 && isCode(error, "unknown")) {
      throw new CridError("invalid_argument", `${error.message} at byte ${offset} of ${blob.size}`);
    }
    throw error;
  }
}
