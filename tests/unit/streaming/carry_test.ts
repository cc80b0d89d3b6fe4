import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { describe, it } from "@std/testing/bdd";
import { carry, carryAll } from "../../../src/streaming/carry.ts";
import { giveBack, hold } from "../../../src/streaming/chunk_memory.ts";

/** A chunk that is all of its memory, as reads of 64 kB bring. */
function chunkOf(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(size));
}

const isGone = ({ buffer }: Buffer) => buffer.byteLength === 0;

describe("the memory of a chunk", () => {
  it("is given back with a chunk that is all of it", () => {
    const chunk = chunkOf(100);
    giveBack(chunk);
    assert.ok(isGone(chunk));
  });

  it("is left alone when the chunk is a part of something unknown", () => {
    const part = chunkOf(100).subarray(1);
    hold(part);
    giveBack(part);
    giveBack(part);
    assert.ok(!isGone(part));
  });

  it("stays until its last part is given back, in whatever order", () => {
    for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
      const chunk = chunkOf(100);
      const uses = [chunk, chunk.subarray(0, 50), chunk.subarray(50)];
      uses.forEach(hold);
      for (const index of order) {
        assert.ok(!isGone(chunk));
        giveBack(uses[index]!);
      }
      assert.ok(isGone(chunk));
    }
  });
});

describe("carrying", () => {
  /** Takes a chunk when it is told to. */
  class SlowTarget extends Writable {
    readonly taken: string[] = [];
    #done: (() => void) | undefined;

    constructor() {
      super({ highWaterMark: 10 });
      this.on("error", () => {});
    }

    override _write(chunk: Buffer, _encoding: string, done: () => void): void {
      this.taken.push(String(chunk));
      this.#done = done;
    }

    take(): void {
      this.#done?.();
    }
  }

  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

  it("waits for a target that is slow, and gives memory back when it is written", async () => {
    const chunks = ["a", "b", "c"].map((letter) => chunkOf(20).fill(letter));
    const source = Readable.from(chunks, { objectMode: false, highWaterMark: 1 });
    const target = new SlowTarget();
    carryAll(source, target);
    for (const [index, chunk] of chunks.entries()) {
      await settled();
      assert.equal(target.taken.length, index + 1);
      assert.ok(!isGone(chunk));
      target.take();
      await settled();
      assert.ok(isGone(chunk));
    }
    await settled();
    assert.ok(target.writableFinished);
    assert.deepEqual(target.taken, ["a", "b", "c"].map((letter) => letter.repeat(20)));
  });

  it("goes on to the end of the source when the target is closed", async () => {
    const chunks = [chunkOf(20), chunkOf(20), chunkOf(20)];
    const source = Readable.from(chunks, { objectMode: false });
    const target = new SlowTarget();
    target.destroy();
    carry(source, target);
    await once(source, "end");
    assert.ok(chunks.every(isGone));
  });
});
