import { Buffer } from "node:buffer";
import { badArchive } from "./tar_header.ts";

const MAGIC = 0xfd2fb528;
/** Frames without data: their magic numbers differ in the last four bits. */
const SKIPPABLE = 0x184d2a50;
const CHECKSUM_BYTES = 4;
/** By the two bits of the frame header's descriptor that tell of them. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** What comes next: bytes whose value counts, bytes that only pass, or the end of a frame. */
type Part =
  | { readonly kind: "value" | "rest"; readonly bytes: number }
  | { readonly kind: "end" };

/**
 * The bytes of a zstd stream, cut at the ends of its frames. Deno's decompressor drops what a piece has
 * behind the end of a frame; zstd:chunked layers and parallel compressors make many frames.
 *
 * @throws {CridError} `invalid_argument` for what is no sequence of whole frames.
 */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const frames = parts();
  let part = frames.next().value;
  let missing = "bytes" in part ? part.bytes : 0;
  let isBetween = true;
  let value: number[] = [];
  for await (const chunk of source) {
    let given = 0;
    for (let at = 0; at < chunk.length;) {
      const length = Math.min(missing, chunk.length - at);
      if (part.kind === "value") value.push(...chunk.subarray(at, at + length));
      at += length;
      missing -= length;
      isBetween = false;
      while (missing === 0) {
        if (part.kind === "end") {
          yield chunk.subarray(given, at);
          given = at;
          isBetween = true;
        }
        part = frames.next(Buffer.from(value)).value;
        missing = part.kind === "end" ? 0 : part.bytes;
        value = [];
      }
    }
    if (given < chunk.length) yield chunk.subarray(given);
  }
  if (!isBetween) throw badArchive("zstd: it is cut off");
}

/** The grammar of RFC 8878, section 3.1; takes what it has asked the value of. */
function* parts(): Generator<Part, never, Buffer> {
  for (;;) {
    const magic = (yield { kind: "value", bytes: 4 }).readUInt32LE();
    if (magic === MAGIC) yield* dataFrame();
    else if ((magic & ~0xf) === SKIPPABLE) {
      yield { kind: "rest", bytes: (yield { kind: "value", bytes: 4 }).readUInt32LE() };
    } else throw badArchive("zstd: something else than a frame is in it");
    yield { kind: "end" };
  }
}

function* dataFrame(): Generator<Part, void, Buffer> {
  const descriptor = (yield { kind: "value", bytes: 1 }).readUInt8();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
  yield {
    kind: "rest",
    bytes: (isSingleSegment ? Math.max(1, contentSize) : 1 + contentSize) +
      DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3],
  };
  for (let isLast = false; !isLast;) {
    const header = (yield { kind: "value", bytes: 3 }).readUIntLE(0, 3);
    isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    if (type === RESERVED_BLOCK) throw badArchive("zstd: a block is of no known type");
    yield { kind: "rest", bytes: type === RLE_BLOCK ? 1 : header >> 3 };
  }
  if ((descriptor & 4) !== 0) yield { kind: "rest", bytes: CHECKSUM_BYTES };
}
