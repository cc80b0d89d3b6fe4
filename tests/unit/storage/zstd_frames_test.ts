import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { constants, zstdCompressSync } from "node:zlib";
import { decompress } from "../../../src/storage/unpack/decompress.ts";

const PIECES = [1, 7, 1000, 1_000_000];
const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag } = constants;

/** Frames of every kind that a compressor makes. */
const CONTENTS = [
  Buffer.from(crypto.getRandomValues(new Uint8Array(5000))),
  Buffer.alloc(0),
  Buffer.alloc(300_000, "the same again and again "),
  Buffer.alloc(200_000),
  Buffer.from("short"),
];
const FRAMES = CONTENTS.flatMap((content) =>
  [0, 1].flatMap((checksum) =>
    [0, 1].map((size) => ({
      content,
      frame: zstdCompressSync(content, {
        params: { [ZSTD_c_checksumFlag]: checksum, [ZSTD_c_contentSizeFlag]: size },
      }),
    }))
  )
);

function skippable(number: number, content: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + number, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

async function decompressed(blob: Uint8Array, piece: number): Promise<Buffer> {
  async function* pieces() {
    for (let at = 0; at < blob.length; at += piece) yield blob.subarray(at, at + piece);
  }
  return Buffer.concat(await Array.fromAsync(decompress(pieces(), "zstd")));
}

describe("a zstd stream", () => {
  it("may have many frames, of every kind", async () => {
    const blob = Buffer.concat(FRAMES.map(({ frame }) => frame));
    const content = Buffer.concat(FRAMES.map(({ content }) => content));
    for (const piece of PIECES) assert.ok((await decompressed(blob, piece)).equals(content));
  });

  it("may have frames without data before, between and behind, as zstd:chunked has", async () => {
    const toc = skippable(0, Buffer.from("a table of contents"));
    const footer = skippable(15, new Uint8Array(64));
    const [one, two] = [FRAMES[0]!, FRAMES.at(-1)!];
    const blob = Buffer.concat([skippable(1, new Uint8Array()), one.frame, toc, two.frame, footer]);
    const content = Buffer.concat([one.content, two.content]);
    for (const piece of PIECES) assert.ok((await decompressed(blob, piece)).equals(content));
  });

  it("gets no more memory for its window than zstd's own program gives", async () => {
    // One block of one byte, behind a header that asks for two to the power of so much.
    const frame = (windowLog: number) =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 9, 0, 0, 0x78]);
    assert.equal((await decompressed(frame(27), 1000)).toString(), "x");
    await assert.rejects(decompressed(frame(31), 1000), { code: "invalid_argument" });
  });

  it("is refused when it ends early or has something else in it", async () => {
    const { frame } = FRAMES[0]!;
    const broken = [
      frame.subarray(0, -1),
      frame.subarray(0, 5),
      Buffer.concat([frame, frame.subarray(0, 2)]),
      Buffer.concat([frame, skippable(0, new Uint8Array(100)).subarray(0, 50)]),
      Buffer.concat([frame, Buffer.from("garbage")]),
    ];
    for (const blob of broken) {
      for (const piece of PIECES) {
        await assert.rejects(decompressed(blob, piece), { code: "invalid_argument" });
      }
    }
  });
});
