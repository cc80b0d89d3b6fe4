import { Buffer } from "node:buffer";
import { deserialize, serialize } from "node:v8";
import { CridError } from "../failure/mod.ts";

/** A frame is its length, 4 bytes, and a value as structured clone writes it. */
const HEAD = 4;
/** No message between isolates comes near: the largest holds a manifest and a config. */
const MOST = 64 * 1024 * 1024;

/** A value as bytes for {@linkcode decodeFrames}. */
export function encodeFrame(value: unknown): Uint8Array {
  const body = serialize(value);
  const frame = Buffer.allocUnsafe(HEAD + body.length);
  frame.writeUInt32LE(body.length);
  frame.set(body, HEAD);
  return frame;
}

/**
 * The values that a stream holds; it may end anywhere.
 *
 * @throws {CridError} `internal` for a frame that is too long.
 */
export async function* decodeFrames(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<unknown, void, void> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  let wanted = HEAD;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size < wanted) continue;
    let bytes = Buffer.concat(chunks, size);
    for (wanted = HEAD; bytes.length >= wanted;) {
      if (wanted === HEAD) wanted = frameLength(bytes);
      if (bytes.length < wanted) break;
      yield deserialize(bytes.subarray(HEAD, wanted));
      bytes = bytes.subarray(wanted);
      wanted = HEAD;
    }
    [chunks, size] = [[bytes], bytes.length];
  }
}

/** Of a whole frame, by its first bytes. */
function frameLength(bytes: Buffer): number {
  const length = bytes.readUInt32LE();
  if (length <= MOST) return HEAD + length;
  throw new CridError("internal", `a message of ${length} bytes between processes`);
}
