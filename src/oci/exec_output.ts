import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/** What a stream has said so far. */
export interface Captured {
  /** Resolves at the end of the stream, or after {@linkcode Captured.stop}. */
  readonly ended: Promise<void>;
  bytes(): Uint8Array;
  stop(): void;
}

/** Reads a stream to its end and keeps its first `limit` bytes. */
export function capture(stream: Readable, limit: number): Captured {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on("data", (chunk: Uint8Array) => {
    const kept = chunk.subarray(0, limit - size);
    if (kept.length === 0) return;
    chunks.push(kept);
    size += kept.length;
  });
  const end = () => resolve();
  stream.once("end", end).once("close", end).once("error", end);
  return {
    ended: promise,
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
    stop() {
      stream.destroy();
      resolve();
    },
  };
}
