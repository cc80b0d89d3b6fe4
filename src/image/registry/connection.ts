import { CridError } from "../../failure/mod.ts";
import type { Chunk } from "../blob_stream.ts";
import type { BlobDescriptor } from "../types.ts";
import type { DownloadOptions } from "./download.ts";
import type { Flow } from "./flow.ts";
import { NetworkFailure } from "./network_failure.ts";
import type { HttpResponse } from "./transport.ts";

/** One answer's share of the blob, from `offset` to where the answer ends. */
export async function* oneConnection(
  blob: BlobDescriptor,
  offset: number,
  { what, retry, open }: DownloadOptions,
  flow: Flow,
): AsyncGenerator<Chunk> {
  const response = await open(offset);
  // A server without ranges begins again: what is here already is passed over.
  let skip = response.status === 206 ? 0 : offset;
  let left = blob.size - offset;
  try {
    checkAnnouncement(what, blob, offset, response);
    flow.begins(response);
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
export async function* withoutStall(
  response: HttpResponse,
  stallMs: number,
): AsyncGenerator<Chunk> {
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
