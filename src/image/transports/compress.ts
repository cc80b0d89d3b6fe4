import { createGzip, createZstdCompress } from "node:zlib";
import type { Transform } from "node:stream";
import type { Chunk } from "../blob_stream.ts";

const CHUNK = 256 * 1024;

/**
 * Compresses a layer's archive. gzip as zlib does by default, without a time or name in its head: what
 * was made by the same library comes out with the digest it had.
 */
export function compress(
  source: AsyncIterable<Uint8Array>,
  form: "gzip" | "zstd",
): AsyncIterable<Chunk> {
  return form === "gzip"
    ? through(source, createGzip({ chunkSize: CHUNK }))
    : through(source, createZstdCompress({ chunkSize: CHUNK }));
}

async function* through(source: AsyncIterable<Uint8Array>, encoder: Transform) {
  let failure: unknown;
  const feed = async () => {
    for await (const chunk of source) {
      if (encoder.destroyed) return;
      if (!encoder.write(chunk)) {
        await new Promise<void>((resolve) => {
          const done = () => {
            encoder.off("drain", done);
            encoder.off("close", done);
            resolve();
          };
          encoder.once("drain", done);
          encoder.once("close", done);
        });
      }
    }
    encoder.end();
  };
  const feeding = feed().catch((error) => {
    failure = error;
    encoder.destroy();
  });
  try {
    // The encoder keeps the buffers behind its chunks; whoever takes one owns it.
    for await (const chunk of encoder) yield new Uint8Array(chunk as Uint8Array);
  } catch (error) {
    throw failure ?? error;
  } finally {
    encoder.destroy();
    await feeding;
  }
  if (failure !== undefined) throw failure;
}
