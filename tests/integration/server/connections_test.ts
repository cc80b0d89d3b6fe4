import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { criClient } from "../../harness/cri_client.ts";
import { served } from "./served.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Sends bytes and resolves with what came back once the server closes. */
function conversation(path: string, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let received = "";
    socket.on("data", (data: Buffer) => received += data.toString("latin1"));
    socket.on("error", () => {});
    socket.on("close", () => resolve(received));
    socket.write(bytes);
  });
}

describe("a connection", () => {
  const silent = {
    "says nothing": "",
    "sends half of an HTTP/2 preface": PREFACE.slice(0, 16),
    "sends half of an HTTP/1 head": "GET /info HTTP/1.1\r\nHost: ",
  };
  for (const [what, bytes] of Object.entries(silent)) {
    it(`is cut off when it ${what}`, async () => {
      await using crid = await served({ handshakeMs: 100 });
      assert.equal(await conversation(crid.socketPath, bytes), "");
    });
  }

  it("is cut off when its head never ends", async () => {
    await using crid = await served();
    const endless = "GET / HTTP/1.1\r\n" + "X-A: b\r\n".repeat(5000);
    assert.equal(await conversation(crid.socketPath, endless), "");
  });

  it("that speaks nonsense is closed and disturbs nobody", async () => {
    await using crid = await served();
    const nonsense = Buffer.from("ff".repeat(64), "hex");
    await conversation(crid.socketPath, Buffer.concat([Buffer.from(PREFACE), nonsense]));
    const reply = await conversation(crid.socketPath, "\0\x01garbage\r\n\r\n");
    assert.match(reply, /^(HTTP\/1\.1 400|$)/);
    assert.equal((await crid.client.runtime.version()).runtimeName, "cri-o");
  });

  it("is served when its bytes come one at a time", async () => {
    await using crid = await served();
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(crid.socketPath);
      let received = "";
      socket.on("data", (data: Buffer) => received += data.toString());
      socket.on("close", () => resolve(received));
      const bytes = [..."GET /config HTTP/1.1\r\nHost: x\r\n\r\n"];
      const next = () => {
        const byte = bytes.shift();
        if (byte !== undefined) socket.write(byte, () => setTimeout(next, 1));
      };
      next();
    });
    assert.match(reply, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(reply, /\r\n\r\n\[crio\]\n$/);
  });

  it("may stay idle: several hundred do, and all of them work", async () => {
    await using crid = await served({ handshakeMs: 1_000 });
    const clients = Array.from({ length: 400 }, () => criClient(crid.socketPath));
    try {
      for (const client of clients) await client.runtime.version();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const answers = await Promise.all(clients.map((client) => client.runtime.version()));
      assert.equal(answers.length, 400);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  });
});
