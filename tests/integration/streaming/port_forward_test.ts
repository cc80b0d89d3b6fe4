import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "@std/testing/bdd";
import { NamespaceMode } from "../../../src/gen/runtime/v1/api.ts";
import { containerConfig, podConfig, runContainer, runPod } from "../../harness/mod.ts";
import { SpdyClient } from "../../harness/spdy_client.ts";
import { webSocketTunnel } from "../../harness/websocket_tunnel.ts";
import { eventually, leavesNothing, type StreamNode, streamNode, VOLUME } from "./node.ts";

let ids = 0;

/** The two streams of one connection. */
function open(connection: SpdyClient, port: number) {
  const headers = { port: String(port), requestid: String(ids++) };
  return {
    error: connection.open({ ...headers, streamtype: "error" }),
    data: connection.open({ ...headers, streamtype: "data" }),
  };
}

async function ask(connection: SpdyClient, port: number, question: string): Promise<string> {
  const { data } = open(connection, port);
  await data.write(question);
  await data.end();
  return await data.text();
}

describe("port-forward", () => {
  let node: StreamNode;
  let id: string;
  const listeners: ChildProcess[] = [];
  const pidOf = async (containerId: string) => {
    const { info } = await node.crid.client.runtime.containerStatus({ containerId, verbose: true });
    return Number(JSON.parse(info["info"]!).pid);
  };
  /** Serves what socat calls an address in a container's network namespace. */
  const serve = async (containerId: string, address: string, program = "EXEC:cat") => {
    const net = `--net=/proc/${await pidOf(containerId)}/ns/net`;
    const child = spawn("nsenter", [net, "socat", "-d", "-d", "-t30", address, program], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    listeners.push(child);
    let said = "";
    child.stderr!.on("data", (data) => said = `${said}${data}`.slice(-10_000));
    await eventually(() => /listening on/.test(said) || undefined, `${address} listens`);
  };

  before(async () => {
    node = await streamNode();
    id = await node.container();
    await serve(id, "TCP4-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr,backlog=200");
    await serve(id, "TCP6-LISTEN:8081,bind=[::1],fork,reuseaddr,ipv6only");
  });
  after(async () => {
    for (const child of listeners) child.kill("SIGKILL");
    await leavesNothing(node);
  });

  it("reaches what listens on the pod's 127.0.0.1, and on its ::1", async () => {
    const connection = await node.forward();
    assert.equal(await ask(connection, 8080, "four"), "four");
    assert.equal(await ask(connection, 8081, "six"), "six");
    connection.close();
  });

  it("says why a port cannot be reached, and goes on with the others", async () => {
    const connection = await node.forward();
    const { error } = open(connection, 8099);
    assert.match(await error.text(), /error forwarding port 8099 .*Connection refused/);
    assert.equal(await ask(connection, 8080, "still"), "still");
    connection.close();
  });

  it("carries 100 connections at once", async () => {
    const connection = await node.forward();
    const texts = Array.from({ length: 100 }, (_, index) => `${index} `.repeat(5000));
    const answers = await Promise.all(texts.map((text) => ask(connection, 8080, text)));
    assert.ok(answers.every((answer, index) => answer === texts[index]));
    connection.close();
  });

  it("carries much data both ways without a wrong byte", async () => {
    const connection = await node.forward();
    const { data } = open(connection, 8080);
    const block = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const [sent, received] = [createHash("sha256"), createHash("sha256")];
    data.onData = (bytes) => received.update(bytes);
    for (let size = 0; size < VOLUME; size += block.length) {
      block.writeUInt32LE(size);
      sent.update(block);
      await data.write(Buffer.from(block));
    }
    await data.end();
    await data.all();
    assert.equal(data.size, VOLUME);
    assert.equal(received.digest("hex"), sent.digest("hex"));
    connection.close();
  });

  it("passes the end of one direction on, and still carries the other", async () => {
    await serve(
      id,
      "TCP4-LISTEN:8082,bind=127.0.0.1,reuseaddr",
      "SYSTEM:cat >/dev/null; echo late",
    );
    const connection = await node.forward();
    assert.equal(await ask(connection, 8082, "all"), "late\n");
    connection.close();
  });

  it("is tunnelled through WebSocket", async () => {
    const { url } = await node.crid.client.runtime.portForward({ podSandboxId: node.podId });
    const tunnel = await webSocketTunnel(url, "SPDY/3.1+portforward.k8s.io");
    const connection = new SpdyClient(tunnel);
    const text = "tunnel ".repeat(100_000);
    assert.equal(await ask(connection, 8080, text), text);
    connection.close();
  });

  describe("of a host with a listener of its own", () => {
    let server: Server;
    const sockets = new Set<Socket>();
    let port: number;
    let podId: string;
    before(async () => {
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => {}).once("close", () => sockets.delete(socket));
        socket.pipe(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      port = (server.address() as { port: number }).port;
      const pod = podConfig(node.crid, {
        linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } },
      });
      podId = await runPod(node.crid, pod);
    });
    after(() => void server.close());

    it("reaches it from a pod in the host's network", async () => {
      const connection = await node.forward(podId);
      assert.equal(await ask(connection, port, "host"), "host");
      connection.close();
    });

    it("hangs up on the listener when the client vanishes, at whatever stage", async () => {
      (await node.forward(podId)).close();
      const half = await node.forward(podId);
      half.open({ streamtype: "error", port: String(port), requestid: "0" });
      half.close();
      const asked = await node.forward(podId);
      open(asked, port);
      asked.close();
      const busy = await node.forward(podId);
      const { data } = open(busy, port);
      await data.write("x");
      await eventually(() => data.size > 0 || undefined, "an echo");
      for (let index = 0; index < 100; index++) void data.write(Buffer.alloc(65_536));
      busy.close();
      await eventually(() => sockets.size === 0 || undefined, "no connection is left");
      assert.equal(await ask(await node.forward(podId), port, "next"), "next");
    });

    it("hangs up on the listener when the client resets the stream", async () => {
      const connection = await node.forward(podId);
      const { data } = open(connection, port);
      await data.write("x");
      await eventually(() => data.size > 0 || undefined, "an echo");
      data.cancel();
      await eventually(() => sockets.size === 0 || undefined, "the connection is closed");
      connection.close();
    });

    it("tells the client when the listener hangs up", async () => {
      const connection = await node.forward(podId);
      const { data, error } = open(connection, port);
      await data.write("x");
      await eventually(() => data.size > 0 || undefined, "an echo");
      for (const socket of sockets) socket.destroy();
      assert.equal(await data.text(), "x");
      assert.equal(await error.text(), "");
      connection.close();
    });
  });

  it("ends with its pod", async () => {
    const { crid } = node;
    const pod = podConfig(crid);
    const podId = await runPod(crid, pod);
    const container = await runContainer(crid, podId, pod, {
      ...containerConfig(),
      command: ["nc", "-ll", "-p", "80", "-e", "cat"],
    });
    const connection = await node.forward(podId);
    const { data } = await eventually(async () => {
      const pair = open(connection, 80);
      await pair.data.write("x");
      await Promise.race([pair.data.all(), eventually(() => pair.data.size > 0 || undefined, "x")]);
      return pair.data.size > 0 ? pair : undefined;
    }, "the container listens");
    await crid.client.runtime.stopContainer({ containerId: container, timeout: 0n });
    await crid.client.runtime.stopPodSandbox({ podSandboxId: podId });
    await crid.client.runtime.removePodSandbox({ podSandboxId: podId });
    assert.equal(await data.text(), "x");
    assert.match(await open(connection, 80).error.text(), /error forwarding port 80/);
    connection.close();
    await assert.rejects(node.forward(podId), /not.?found/i);
  });
});
