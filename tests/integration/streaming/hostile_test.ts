import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { deflateSync } from "node:zlib";
import { after, before, describe, it } from "@std/testing/bdd";
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import { SpdyClient, upgrade } from "../../harness/spdy_client.ts";
import { synStream } from "../../../src/streaming/spdy/frames.ts";
import { leavesNothing, OUTPUTS, type StreamNode, streamNode } from "./node.ts";

const SPDY = { "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" };

describe("a hostile client of crid's streams", () => {
  let node: StreamNode;
  let id: string;
  before(async () => {
    node = await streamNode();
    id = await node.container();
  });
  after(() => leavesNothing(node));

  const offer = async () =>
    (await node.crid.client.runtime.exec({ containerId: id, cmd: ["sleep", "5"], stdout: true }))
      .url;
  const works = async () => {
    const client = await node.shell(id, "echo fine", OUTPUTS);
    assert.equal(await client.stdout!.text(), "fine\n");
    client.connection.close();
  };

  it("gets 404 without a token, and for a token that was used", async () => {
    const url = await offer();
    const { origin } = new URL(url);
    for (
      const path of ["/", "/exec/", "/exec/x", "/attach/x", "/metrics", "/healthz", "/cri/exec"]
    ) {
      const response = await fetch(`${origin}${path}`);
      assert.deepEqual([response.status, await response.text()], [404, ""], path);
    }
    const first = await upgrade(url, SPDY);
    assert.equal(first.status, 101);
    assert.equal((await upgrade(url, SPDY)).status, 404);
    first.socket.destroy();
  });

  it("is cut off for what is no SPDY, for a bomb of headers, and for endless headers", async () => {
    const bomb = deflateSync(Buffer.alloc(12_000_000, "a"));
    const attacks: readonly Buffer[] = [
      Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10)),
      synStream(1, bomb),
      Buffer.from("8003000100ffffff", "hex"),
      Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))),
    ];
    for (const attack of attacks) {
      const client = await SpdyClient.connect(await offer(), ["v4.channel.k8s.io"]);
      client.socket.write(attack);
      // Zeros are data frames for stream 0, which there is not.
      client.socket.write(Buffer.alloc(65_536));
      await client.closed;
    }
    await works();
  });

  it("is cut off when it asks for 10,000 streams", async () => {
    const client = await SpdyClient.connect(await offer(), ["v4.channel.k8s.io"]);
    client.open({ streamtype: "error" });
    client.open({ streamtype: "stdout" });
    for (let count = 0; count < 10_000; count++) client.open({ streamtype: "stdin" });
    await client.closed;
    await works();
  });

  it("keeps nobody waiting with connections that say nothing, or half of something", async () => {
    const { hostname, port } = new URL(await offer());
    const sockets: Socket[] = [];
    for (let index = 0; index < 300; index++) {
      const socket = connect({ host: hostname, port: Number(port) });
      socket.on("error", () => {});
      if (index % 3 === 1) socket.write("POST /exec/abc HTTP/1.1\r\nHost: x\r\n");
      if (index % 3 === 2) socket.end();
      sockets.push(socket);
    }
    await works();
    for (const socket of sockets) socket.destroy();
  });

  it("is cut off for WebSocket messages that are too large or masked wrongly", async () => {
    const url = (await offer()).replace("http", "ws");
    const large = new WebSocket(url, "v5.channel.k8s.io");
    await new Promise((resolve) => large.once("open", resolve));
    const closed = new Promise((resolve) => large.once("close", resolve));
    large.on("error", () => {});
    large.send(Buffer.alloc(2 * 1024 * 1024));
    await closed;
    const answer = await upgrade(await offer(), {
      "Upgrade": "websocket",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
    }, "GET");
    assert.equal(answer.status, 101);
    const ended = new Promise((resolve) => answer.socket.once("close", resolve));
    answer.socket.resume();
    answer.socket.write(Buffer.from("8205aabbccddee", "hex"));
    await ended;
    await works();
  });
});
