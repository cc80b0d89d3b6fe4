import type { Chunk } from "../blob_stream.ts";
import type { BlobDescriptor } from "../types.ts";
import { withoutStall } from "./connection.ts";
import type { DownloadOptions } from "./download.ts";
import { NetworkFailure } from "./network_failure.ts";
import type { HttpResponse } from "./transport.ts";

/**
 * The bytes of a blob from `offset` on, in their order, fetched in pieces over several connections.
 *
 * @throws What the first failing piece fails with; what was yielded before is sound.
 */
export async function* severalConnections(
  blob: BlobDescriptor,
  offset: number,
  options: DownloadOptions,
): AsyncGenerator<Chunk> {
  const { widening } = options;
  const segments: Segment[] = [];
  let next = offset;
  try {
    while (true) {
      while (segments.length < widening.connections && next < blob.size) {
        const end = Math.min(next + widening.segment, blob.size);
        segments.push(new Segment(next, end, blob, options));
        next = end;
      }
      const first = segments[0];
      if (first === undefined) return;
      yield* first.chunks();
      segments.shift();
    }
  } finally {
    for (const segment of segments) segment.stop();
  }
}

/** One range, which is read as fast as it comes. */
class Segment {
  readonly #begin: number;
  readonly #end: number;
  readonly #queue: Chunk[] = [];
  #state: "open" | "complete" | { readonly failure: unknown } = "open";
  #news = Promise.withResolvers<void>();
  #response: HttpResponse | undefined;
  #stopped = false;

  constructor(begin: number, end: number, blob: BlobDescriptor, options: DownloadOptions) {
    this.#begin = begin;
    this.#end = end;
    this.#read(blob, options).then(
      () => this.#state = "complete",
      (failure) => this.#state = { failure },
    ).then(() => this.#news.resolve());
  }

  async *chunks(): AsyncGenerator<Chunk> {
    while (true) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#state === "complete") return;
      else if (this.#state !== "open") throw this.#state.failure;
      else {
        this.#news = Promise.withResolvers();
        await this.#news.promise;
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#response?.discard();
  }

  async #read(blob: BlobDescriptor, { open, retry }: DownloadOptions): Promise<void> {
    const response = this.#response = await open(this.#begin, this.#end);
    try {
      if (this.#stopped) return;
      const range = `bytes ${this.#begin}-${this.#end - 1}/`;
      const given = response.headers.get("content-range") ?? "";
      if (response.status !== 206 || !given.startsWith(range) || !/\/(\d+|\*)$/.test(given)) {
        throw new NetworkFailure("interrupted", "the registry does not keep to ranges");
      }
      let left = this.#end - this.#begin;
      const stallMs = Math.min(retry.stallMs, retry.progressMs || Infinity);
      for await (const chunk of withoutStall(response, stallMs)) {
        left -= chunk.length;
        if (left < 0) break;
        this.#queue.push(chunk);
        this.#news.resolve();
      }
      if (left !== 0) {
        throw new NetworkFailure("interrupted", `a range of ${blob.digest} has a wrong length`);
      }
    } finally {
      response.discard();
    }
  }
}
