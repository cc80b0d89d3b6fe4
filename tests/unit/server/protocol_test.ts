import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { protocolOf } from "../../../src/server/socket/protocol.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const of = (text: string) => protocolOf(new TextEncoder().encode(text));

describe("the protocol of a connection", () => {
  it("is HTTP/2 once the whole preface is there, and not a byte earlier", () => {
    for (let length = 0; length < PREFACE.length; length++) {
      assert.equal(of(PREFACE.slice(0, length)), undefined, `${length} bytes`);
    }
    assert.equal(of(PREFACE), "http2");
    assert.equal(of(PREFACE + "\0\0\0"), "http2");
  });

  it("is HTTP/1 once a whole head is there", () => {
    assert.equal(of("G"), undefined);
    assert.equal(of("GET /info HTTP/1.1\r\nHost: x\r\n"), undefined);
    assert.equal(of("GET /info HTTP/1.1\r\nHost: x\r\n\r\n"), "http1");
    assert.equal(of("PRINT / HTTP/1.1\r\n\r\n"), "http1");
    assert.equal(of("PRI * HTTP/1.1\r\n\r\n"), "http1");
  });

  it("is HTTP/1 whose lines end without a carriage return, too", () => {
    assert.equal(of("GET /info HTTP/1.1\nHost: x\n"), undefined);
    assert.equal(of("GET /info HTTP/1.1\nHost: x\n\n"), "http1");
    assert.equal(of("GET /info HTTP/1.1\r\nHost: x\r\n\n"), "http1");
    assert.equal(of("GET /info HTTP/1.1\nHost: x\n\r\n"), "http1");
  });

  it("is refused when a head never ends", () => {
    assert.equal(of("GET /" + "a".repeat(16_380)), "refused");
  });
});
