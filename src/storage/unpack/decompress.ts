import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";
import { CridError, errorMessage } from "../../failure/mod.ts";
import type { Compression } from "../types.ts";
import { badArchive } from "./tar_header.ts";
import { zstdFrames } from "./zstd_frames.ts";

const CHUNK = 256 * 1024;

/** First bytes of each format; what has none of them is not compressed. */
const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];
/** zstd's frames that hold no data; zstd:chunked archives may begin with one. */
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18] as const;
/** How many bytes {@linkcode detectCompression} looks at. */
export const MAGIC_BYTES = 6;

/** How a blob is compressed. Media types are not to be trusted with that. */
export function detectCompression(start: Uint8Array): Compression {
  const begins = (magic: readonly number[], at = 0) =>
    magic.every((byte, i) => start[at + i] === byte);
  const found = MAGIC.find(([, magic]) => begins(magic))?.[0];
  if (found !== undefined) return found;
  const skippable = (start[0] ?? 0) >> 4 === 0x5 && begins(ZSTD_SKIPPABLE, 1);
  return skippable ? "zstd" : "none";
}

/**
 * The uncompressed bytes of a blob.
 *
 * @throws {CridError} `invalid_argument` for broken data, `unimplemented` for bzip2 and xz.
 */
export function decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> {
  switch (compression) {
    case "none":
      return source;
    case "gzip":
      return through(source, createGunzip({ chunkSize: CHUNK }), "gzip");
    case "zstd":
      return through(
        zstdFrames(source),
        createZstdDecompress({
          chunkSize: CHUNK,
          // 128 MiB of window, as zstd's own program allows; a hostile header may ask for more.
          params: { [constants.ZSTD_d_windowLogMax]: 27 },
        }),
        "zstd",
      );
    default:
      throw new CridError(
        "unimplemented",
        `the layer is compressed with ${compression}; crid reads gzip, zstd and plain layers`,
      );
  }
}

/** Feeds `source` to a decompressor no faster than its output is taken. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  decompressor: Transform,
  name: string,
): AsyncIterable<Uint8Array> {
  let fed: unknown;
  const feed = async () => {
    for await (const chunk of source) {
      if (decompressor.destroyed) return;
      if (!decompressor.write(chunk)) await drained(decompressor);
    }
    decompressor.end();
  };
  const feeding = feed().catch((error) => {
    fed = error;
    decompressor.destroy();
  });
  try {
    for await (const chunk of decompressor) yield chunk as Uint8Array;
  } catch (error) {
    if (fed !== undefined) throw fed;
    throw badArchive(`${name}: ${errorMessage(error)}`);
  } finally {
    decompressor.destroy();
    await feeding;
  }
  if (fed !== undefined) throw fed;
}

function drained(stream: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
  });
}
