import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { DICTIONARY } from "../../../src/streaming/spdy/dictionary.ts";
import { SpdyError } from "../../../src/streaming/spdy/errors.ts";
import {
  formatHeaders,
  HeaderReader,
  HeaderWriter,
  parseHeaders,
} from "../../../src/streaming/spdy/headers.ts";

/** Two blocks of one stream, as zlib compresses them with the dictionary and a sync flush. */
const BLOCKS = [
  "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff",
  "02651c4ca9e2126076c15ee6f2203b05000000ffff",
].map((hex) => Buffer.from(hex, "hex"));

const someHeaders = fc.uniqueArray(
  fc.tuple(fc.stringMatching(/^[a-z][a-z-]{0,20}$/), fc.string({ maxLength: 200 })),
  { selector: ([name]) => name, maxLength: 20 },
).map((entries) => new Map(entries));

describe("SPDY headers", () => {
  it("have the dictionary of the specification", () => {
    assert.equal(DICTIONARY.length, 1423);
    // Its checksum is in the head of what any client sends.
    assert.equal(BLOCKS[0]!.readUInt32BE(2).toString(16), "e3c6a7c2");
  });

  it("are read as zlib compresses them with the dictionary, block by block", () => {
    const reader = new HeaderReader();
    assert.deepEqual([...reader.read(BLOCKS[0]!)], [["streamtype", "error"]]);
    assert.deepEqual([...reader.read(BLOCKS[1]!)], [
      ["streamtype", "stdin"],
      ["accept-encoding", "gzip,deflate"],
    ]);
  });

  it("come out as they were written, over many blocks", () => {
    fc.assert(fc.property(fc.array(someHeaders, { maxLength: 30 }), (blocks) => {
      const writer = new HeaderWriter();
      const reader = new HeaderReader();
      for (const headers of blocks) {
        assert.deepEqual([...reader.read(writer.write(headers))], [...headers]);
      }
    }));
  });

  it("are refused when they would inflate to more than there can be", () => {
    // 12 kB that come to 12 MB.
    const bomb = deflateSync(Buffer.alloc(12_000_000, "a"));
    assert.ok(bomb.length < 16_000);
    assert.throws(() => new HeaderReader().read(bomb), SpdyError);
  });

  it("are never anything but headers or a broken protocol", () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (blocks) => {
      const reader = new HeaderReader();
      try {
        for (const block of blocks) reader.read(Buffer.from(block));
      } catch (error) {
        assert.ok(error instanceof SpdyError, String(error));
      }
    }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseHeaders(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof SpdyError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("are refused when one is named twice, or there are too many", () => {
    const twice = Buffer.concat([formatHeaders(new Map([["a", "1"], ["A", "2"]]))]);
    assert.throws(() => parseHeaders(twice), SpdyError);
    const many = new Map(Array.from({ length: 100 }, (_, index) => [`h${index}`, ""]));
    assert.throws(() => parseHeaders(formatHeaders(many)), SpdyError);
  });
});
