import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "@std/testing/bdd";
import { commandClient, SpdyClient, upgrade } from "../../harness/spdy_client.ts";
import { execUrl, served } from "./fake_sources.ts";

const SPDY = { "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" };

/** The status line that a request gets, or what became of it. */
async function answer(port: number, request: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  let text = "";
  socket.on("data", (data) => text += String(data)).on("error", () => {});
  socket.write(request);
  await new Promise((resolve) => socket.once("close", resolve));
  return text.split("\r\n")[0]!;
}

describe("the streaming server", () => {
  it("answers 404 to whatever has no token, and nothing else", async () => {
    await using streams = await served();
    const { port } = streams.server;
    for (const path of ["/", "/exec/", "/exec/none", "/exec/../exec/x", "/metrics", "/exec/a/b"]) {
      const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      assert.match(await answer(port, request), / 404 /, path);
      const upgrading = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
        "Upgrade: SPDY/3.1\r\n\r\n";
      assert.match(await answer(port, upgrading), / 404 /, `upgrade ${path}`);
    }
  });

  it("honours a token once, and only for what it was made for", async () => {
    await using streams = await served();
    const url = execUrl(streams.server);
    const wrong = await upgrade(url.replace("/exec/", "/attach/"), SPDY);
    assert.equal(wrong.status, 404);
    const other = execUrl(streams.server);
    assert.equal((await upgrade(other, SPDY)).status, 101);
    assert.equal((await upgrade(other, SPDY)).status, 404);
  });

  it("forgets a token that is not used in time", async () => {
    await using streams = await served({ tokenMs: 20 });
    const url = execUrl(streams.server);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await upgrade(url, SPDY)).status, 404);
  });

  it("hangs up on a refused client that does not", async () => {
    await using streams = await served();
    const { port } = streams.server;
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const closed = new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
    socket.write(
      "GET /exec/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: spdy/3.1\r\n\r\n",
    );
    assert.match(String((await once(socket, "data"))[0]), / 404 /);
    // Only whoever writes learns that nobody is there any more.
    const timer = setInterval(() => socket.write("x"), 20);
    try {
      await closed;
    } finally {
      clearInterval(timer);
    }
  });

  it("forgets a client whose WebSocket handshake is wrong", async () => {
    await using streams = await served();
    const timers = new Set<unknown>();
    const { setInterval, clearInterval } = globalThis;
    using _restored = {
      [Symbol.dispose]: () => Object.assign(globalThis, { setInterval, clearInterval }),
    };
    Object.assign(globalThis, {
      setInterval(work: () => void, milliseconds: number) {
        const timer = setInterval(work, milliseconds);
        timers.add(timer);
        return timer;
      },
      clearInterval(timer: ReturnType<typeof setInterval>) {
        timers.delete(timer);
        clearInterval(timer);
      },
    });
    const path = new URL(execUrl(streams.server)).pathname;
    const handshake = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n";
    assert.match(await answer(streams.server.port, handshake), / 400 /);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(timers.size, 0, "nobody watches whether it is idle");
  });

  it("refuses protocols that it does not speak", async () => {
    await using streams = await served();
    const offer = () => execUrl(streams.server);
    const status = async (headers: Record<string, string>) =>
      (await upgrade(offer(), headers)).status;
    assert.equal(await status({ "Upgrade": "h2c" }), 400);
    assert.equal(await status({ ...SPDY, "X-Stream-Protocol-Version": "v9.channel.k8s.io" }), 403);
    assert.equal(await status(SPDY), 101);
  });

  it("says which protocol it has chosen", async () => {
    await using streams = await served();
    const { headers } = await upgrade(execUrl(streams.server), {
      "Upgrade": "SPDY/3.1",
      "X-Stream-Protocol-Version": "v5.channel.k8s.io, v4.channel.k8s.io",
    });
    assert.equal(headers.get("x-stream-protocol-version"), "v5.channel.k8s.io");
    assert.equal(headers.get("upgrade"), "SPDY/3.1");
  });

  it("does not read endless requests", async () => {
    await using streams = await served();
    const line = await answer(
      streams.server.port,
      `GET /exec/x HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(100_000)}\r\n\r\n`,
    );
    assert.match(line, /^$| 431 | 400 /);
  });

  it("listens on IPv6 too", async () => {
    await using streams = await served({ address: "::1" });
    const url = execUrl(streams.server);
    assert.match(url, /^http:\/\/\[::1\]:\d+\/exec\//);
    assert.equal((await upgrade(url, SPDY)).status, 101);
  });

  it("gives up on a client that opens no streams", async () => {
    await using streams = await served({ openMs: 50 });
    const client = await SpdyClient.connect(execUrl(streams.server), ["v4.channel.k8s.io"]);
    client.open({ streamtype: "error" });
    await client.closed;
    assert.equal(streams.sources.commands.length, 0);
  });

  it("closes what is silent for too long", async () => {
    await using streams = await served({ idleMs: 200 });
    const started = streams.sources.started();
    const client = await commandClient(execUrl(streams.server), ["stdout", "stderr"]);
    const command = await started;
    await client.connection.closed;
    await command.hungUp;
  });

  it("ends all sessions when it is closed", async () => {
    const streams = await served();
    const started = streams.sources.started();
    const client = await commandClient(execUrl(streams.server), ["stdout", "stderr"]);
    const command = await started;
    await streams[Symbol.asyncDispose]();
    await client.connection.closed;
    await command.hungUp;
    await assert.rejects(upgrade(`http://127.0.0.1:${streams.server.port}/`, SPDY));
  });

  it("says why an address cannot be used", async () => {
    await using first = await served();
    await assert.rejects(served({ port: first.server.port }), /serve streams on 127\.0\.0\.1:/);
  });
});
