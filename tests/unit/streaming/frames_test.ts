import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { SpdyError } from "../../../src/streaming/spdy/errors.ts";
import { FrameParser } from "../../../src/streaming/spdy/frame_parser.ts";
import {
  dataHead,
  type Frame,
  goAway,
  ping,
  rstStream,
  synReply,
  synStream,
  windowUpdate,
} from "../../../src/streaming/spdy/frames.ts";

const id = fc.integer({ min: 1, max: 0x7fffffff });
const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));

/** Frames and their bytes. */
const anyFrame: fc.Arbitrary<{ readonly wire: Buffer; readonly frame: Frame }> = fc.oneof(
  fc.tuple(id, bytes(5000), fc.boolean()).map(([streamId, data, fin]) => ({
    wire: Buffer.concat([dataHead(streamId, data.length, fin ? 1 : 0), data]),
    frame: { kind: "data" as const, streamId, fin, data },
  })),
  fc.tuple(id, bytes(300), fc.boolean(), fc.boolean()).map(
    ([streamId, headers, fin, unidirectional]) => ({
      wire: synStream(streamId, headers, (fin ? 1 : 0) | (unidirectional ? 2 : 0)),
      frame: { kind: "syn_stream" as const, streamId, fin, unidirectional, headers },
    }),
  ),
  fc.tuple(id, bytes(300)).map(([streamId, headers]) => ({
    wire: synReply(streamId, headers),
    frame: { kind: "syn_reply" as const, streamId, fin: false, headers },
  })),
  fc.tuple(id, fc.nat(20)).map(([streamId, status]) => ({
    wire: rstStream(streamId, status),
    frame: { kind: "rst_stream" as const, streamId, status },
  })),
  id.map((number) => ({ wire: ping(number), frame: { kind: "ping" as const, id: number } })),
  fc.tuple(id, fc.nat(3)).map(([lastStreamId, status]) => ({
    wire: goAway(lastStreamId, status),
    frame: { kind: "goaway" as const, lastStreamId, status },
  })),
  fc.tuple(fc.nat(0x7fffffff), id).map(([streamId, delta]) => ({
    wire: windowUpdate(streamId, delta),
    frame: { kind: "window_update" as const, streamId, delta },
  })),
);

/** Parses chunks and puts the pieces of each data frame together again. */
function parse(chunks: readonly Buffer[], sizes: readonly number[]): Frame[] {
  const parser = new FrameParser();
  const frames: Frame[] = [];
  const expected = [...sizes];
  let open = 0;
  for (const chunk of chunks) {
    for (const frame of parser.feed(chunk)) {
      const last = frames.at(-1);
      if (frame.kind === "data" && open > 0 && last?.kind === "data") {
        open -= frame.data.length;
        frames[frames.length - 1] = { ...frame, data: Buffer.concat([last.data, frame.data]) };
        continue;
      }
      frames.push(frame.kind === "data" ? { ...frame, data: Buffer.from(frame.data) } : frame);
      if (frame.kind === "data") open = expected.shift()! - frame.data.length;
    }
  }
  return frames;
}

function cut(wire: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (wire.length + 1)).sort((a, b) => a - b);
  return [0, ...at].map((start, index) => wire.subarray(start, at[index] ?? wire.length));
}

describe("the SPDY frame parser", () => {
  it("finds the same frames however the bytes are cut", () => {
    fc.assert(fc.property(
      fc.array(anyFrame, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (all, places) => {
        const wire = Buffer.concat(all.map((each) => each.wire));
        const frames = all.map((each) => each.frame);
        const sizes = frames.flatMap((frame) => frame.kind === "data" ? [frame.data.length] : []);
        const found = parse(cut(wire, places), sizes);
        assert.deepEqual(
          found.map((frame) => ({ ...frame })),
          frames.map((frame) => ({ ...frame })),
        );
      },
    ));
  });

  it("survives any bytes: they are frames, or a broken protocol, and little of them is kept", () => {
    fc.assert(
      fc.property(fc.array(bytes(200), { maxLength: 50 }), (chunks) => {
        const parser = new FrameParser();
        try {
          for (const chunk of chunks) for (const frame of parser.feed(chunk)) assert.ok(frame.kind);
        } catch (error) {
          assert.ok(error instanceof SpdyError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("survives frames of which any bit is wrong", () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        (all, place) => {
          const wire = Buffer.concat(all.map((each) => each.wire));
          const bit = place % (wire.length * 8);
          wire[bit >> 3]! ^= 1 << (bit & 7);
          try {
            Array.from(new FrameParser().feed(wire));
          } catch (error) {
            assert.ok(error instanceof SpdyError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("hands data on as it comes, in place of collecting 16 MB", () => {
    const parser = new FrameParser();
    const head = Array.from(parser.feed(dataHead(1, 0xffffff, 1)));
    assert.deepEqual(head, []);
    const [piece] = Array.from(parser.feed(Buffer.alloc(1000)));
    assert.ok(piece?.kind === "data" && piece.data.length === 1000 && !piece.fin);
  });

  it("refuses what cannot be SPDY/3.1", () => {
    const refused = (hex: string) =>
      assert.throws(() => Array.from(new FrameParser().feed(Buffer.from(hex, "hex"))), SpdyError);
    refused("8002000600000004" + "00000001"); // version 2
    refused("80030001" + "00ffffff"); // 16 MB of headers
    refused("8003000600000003" + "000001"); // a ping that is too short
    refused("0000000000000001" + "00"); // data for stream 0
    refused("8003000300000008" + "0000000000000001"); // a reset of stream 0
    refused("8003000400000004" + "ffffffff"); // settings that are not there
  });
});
