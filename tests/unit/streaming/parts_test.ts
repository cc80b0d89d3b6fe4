import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { isCode } from "../../../src/failure/mod.ts";
import { DetachKeys } from "../../../src/streaming/detach_keys.ts";
import {
  chooseSpdyProtocol,
  chooseWebSocketProtocol,
  listHeader,
} from "../../../src/streaming/protocols.ts";
import { ResizeParser } from "../../../src/streaming/resize.ts";
import { statusJson, statusText } from "../../../src/streaming/status.ts";
import { Tokens } from "../../../src/streaming/tokens.ts";
import { parseMessage } from "../../../src/streaming/websocket_command.ts";

describe("the choice of a protocol", () => {
  const KUBECTL = ["v5", "v4", "v3", "v2"].map((v) => `${v}.channel.k8s.io`);

  it("takes the client's first that can be spoken", () => {
    assert.equal(chooseSpdyProtocol([...KUBECTL, "channel.k8s.io"])?.version, 5);
    assert.equal(chooseSpdyProtocol(["v9.channel.k8s.io", "v3.channel.k8s.io"])?.version, 3);
    assert.equal(chooseSpdyProtocol(["channel.k8s.io"])?.version, 1);
    assert.equal(chooseSpdyProtocol(["v4.base64.channel.k8s.io"]), undefined);
    assert.equal(chooseSpdyProtocol([]), undefined);
  });

  it("knows what WebSocket clients may ask for", () => {
    const chosen = (name: string) => chooseWebSocketProtocol([name]);
    assert.deepEqual(chosen("v5.channel.k8s.io")?.version, 5);
    assert.deepEqual(chosen("v4.base64.channel.k8s.io")?.base64, true);
    assert.deepEqual(chosen("base64.channel.k8s.io")?.version, 1);
    assert.equal(chosen("v5.base64.channel.k8s.io"), undefined);
    assert.equal(chosen("v3.channel.k8s.io"), undefined);
  });

  it("reads lists that are in one header or in several", () => {
    assert.deepEqual(listHeader("a, b"), ["a", "b"]);
    assert.deepEqual(listHeader(["a", "b,c"]), ["a", "b", "c"]);
    assert.deepEqual(listHeader(undefined), []);
  });
});

describe("terminal sizes", () => {
  const size = fc.record({
    Width: fc.integer({ min: 1, max: 65535 }),
    Height: fc.integer({ min: 1, max: 65535 }),
  });

  it("are found however their JSON is cut", () => {
    fc.assert(
      fc.property(
        fc.array(size, { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        (sizes, step) => {
          const wire = Buffer.from(sizes.map((each) => JSON.stringify(each)).join("\n"));
          const parser = new ResizeParser();
          const found = [];
          for (let at = 0; at < wire.length; at += step) {
            found.push(...parser.feed(wire.subarray(at, at + step)));
          }
          assert.deepEqual(
            found,
            sizes.map(({ Width, Height }) => ({ width: Width, height: Height })),
          );
        },
      ),
    );
  });

  it("are none when they are nonsense", () => {
    fc.assert(fc.property(fc.array(fc.string()), (texts) => {
      const parser = new ResizeParser();
      for (const text of texts) {
        for (const { width, height } of parser.feed(Buffer.from(text))) {
          assert.ok(width > 0 && height > 0);
        }
      }
    }));
    const parser = new ResizeParser();
    assert.deepEqual(
      parser.feed(Buffer.from('{"Width":0,"Height":5}{"Width":70000,"Height":1}')),
      [],
    );
    assert.deepEqual(parser.feed(Buffer.from("x".repeat(5000))), []);
    assert.deepEqual(parser.feed(Buffer.from('{"Width":80,"Height":24}')), [{
      width: 80,
      height: 24,
    }]);
  });
});

describe("the detach keys", () => {
  const typed = async (...chunks: string[]) => {
    let left = 0;
    const keys = new DetachKeys(() => left++);
    const text: string[] = [];
    keys.on("data", (data) => text.push(String(data)));
    for (const chunk of chunks) keys.write(Buffer.from(chunk, "latin1"));
    keys.end();
    await new Promise((resolve) => keys.once("end", resolve));
    return { text: text.join(""), left };
  };

  it("are ctrl-p ctrl-q, at once or one by one", async () => {
    assert.deepEqual(await typed("ls\x10\x11"), { text: "ls", left: 1 });
    assert.deepEqual(await typed("ls", "\x10", "\x11"), { text: "ls", left: 1 });
  });

  it("leave everything else as it is", async () => {
    assert.deepEqual(await typed("\x10", "x\x11"), { text: "\x10x\x11", left: 0 });
    assert.deepEqual(await typed("\x10", "\x10", "a"), { text: "\x10\x10a", left: 0 });
    assert.deepEqual(await typed("end\x10"), { text: "end\x10", left: 0 });
  });
});

describe("the end of a session", () => {
  it("is a Status that says the exit code", () => {
    const status = JSON.parse(statusJson({ kind: "exited", code: 3 }));
    assert.equal(status.reason, "NonZeroExitCode");
    assert.deepEqual(status.details.causes, [{ reason: "ExitCode", message: "3" }]);
    assert.equal(JSON.parse(statusJson({ kind: "exited", code: 0 })).status, "Success");
    const failed = JSON.parse(statusJson({ kind: "failed", error: new Error("no") }));
    assert.deepEqual([failed.status, failed.code], ["Failure", 500]);
    assert.match(failed.message, /no$/);
  });

  it("is a sentence for old clients", () => {
    assert.equal(statusText({ kind: "exited", code: 0 }), "");
    assert.match(statusText({ kind: "exited", code: 3 }), /exit status 3/);
  });
});

describe("tokens", () => {
  it("can be taken once", () => {
    using tokens = new Tokens<string>(1000);
    const token = tokens.offer("a");
    assert.match(token, /^[\w-]{20,}$/);
    assert.equal(tokens.take("other"), undefined);
    assert.equal(tokens.take(token), "a");
    assert.equal(tokens.take(token), undefined);
  });

  it("expire", async () => {
    using tokens = new Tokens<string>(20);
    const token = tokens.offer("a");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(tokens.take(token), undefined);
  });

  it("are not without number", () => {
    using tokens = new Tokens<number>(10_000);
    for (let index = 0; index < 1000; index++) tokens.offer(index);
    assert.throws(() => tokens.offer(0), (error) => isCode(error, "resource_exhausted"));
  });
});

describe("WebSocket messages", () => {
  it("are a channel and data, or their base64", () => {
    const binary = parseMessage(Buffer.of(0, 1, 2), false);
    assert.deepEqual([binary.channel, [...binary.data]], [0, [1, 2]]);
    const text = parseMessage(Buffer.from("0AQI="), true);
    assert.deepEqual([text.channel, [...text.data]], [0, [1, 2]]);
  });

  it("may be any bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), fc.boolean(), (bytes, base64) => {
      const { channel } = parseMessage(Buffer.from(bytes), base64);
      assert.ok(Number.isInteger(channel));
    }));
  });
});
