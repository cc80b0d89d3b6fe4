import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { PassThrough, type Writable } from "node:stream";
import { describe, it } from "@std/testing/bdd";
import { TerminalInput } from "../../../src/oci/terminal_input.ts";

/** Reads what is written to a pipe from now on, as kinds and payloads. */
function collect(pipe: PassThrough): () => [string, string][] {
  const read: Buffer[] = [];
  pipe.on("data", (data) => read.push(data));
  return () => frames(Buffer.concat(read));
}

function frames(bytes: Buffer): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    found.push([String.fromCharCode(bytes[at]!), bytes.toString("latin1", at + 3, end)]);
    at = end;
  }
  return found;
}

function write(input: Writable, text: string): Promise<unknown> {
  return new Promise((resolve) => input.write(text, resolve));
}

describe("the input of a terminal", () => {
  it("is frames, as many as their length field demands", async () => {
    const pipe = new PassThrough();
    const collected = collect(pipe);
    const input = new TerminalInput(pipe);
    input.resize({ width: 80, height: 24 });
    await write(input, "x".repeat(100_000));
    await write(input, "");
    await write(input, "end");
    const found = collected();
    assert.deepEqual(found[0], ["s", "80 24"]);
    assert.deepEqual(found.slice(1).map(([kind]) => kind).join(""), "iiiiii");
    assert.equal(found.slice(1).map(([, text]) => text).join(""), "x".repeat(100_000) + "end");
  });

  it("drops sizes that nobody has taken yet for the last one", async () => {
    const pipe = new PassThrough({ highWaterMark: 10 });
    const input = new TerminalInput(pipe);
    for (let width = 1; width <= 1000; width++) input.resize({ width, height: 9 });
    const collected = collect(pipe);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const sizes = collected().map(([, size]) => size);
    assert.equal(sizes.at(-1), "1000 9");
    assert.ok(sizes.length < 10, `${sizes.length} sizes`);
  });
});
