import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import type { WantedStreams } from "../../../src/oci/mod.ts";
import { execUrl, served } from "./fake_sources.ts";

/** A WebSocket client that keeps what comes, by channel. */
async function session(
  { server, sources }: Awaited<ReturnType<typeof served>>,
  protocol: string,
  wanted: Partial<WantedStreams> = {},
) {
  const started = sources.started();
  const socket = new WebSocket(execUrl(server, wanted).replace("http", "ws"), protocol);
  const channels = new Map<number, string>();
  const base64 = protocol.includes("base64");
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    assert.equal(isBinary, !base64);
    const channel = base64 ? Number(String(data)[0]) : data[0]!;
    const text = base64 ? atob(String(data).slice(1)) : data.toString("latin1", 1);
    channels.set(channel, (channels.get(channel) ?? "") + text);
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { socket, channels, closed, command: await started };
}

describe("a command over WebSocket", () => {
  it("carries its streams as v5, and ends with a Status and a normal closure", async () => {
    await using streams = await served();
    const { socket, channels, closed, command } = await session(streams, "v5.channel.k8s.io", {
      stdin: true,
    });
    socket.send(Buffer.from("\0question"));
    assert.equal(String(await new Promise((go) => command.stdin!.once("data", go))), "question");
    const ended = new Promise((resolve) => command.stdin!.once("end", resolve));
    socket.send(Buffer.of(255, 0));
    await ended;
    command.stdout.write("answer");
    command.stderr!.write("complaint");
    command.exit(3);
    assert.equal(await closed, 1000);
    assert.equal(channels.get(1), "answer");
    assert.equal(channels.get(2), "complaint");
    assert.match(channels.get(3)!, /"NonZeroExitCode"/);
  });

  for (const protocol of ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"]) {
    it(`carries its streams as ${protocol}`, async () => {
      await using streams = await served();
      const { socket, channels, closed, command } = await session(streams, protocol, {
        stdin: true,
      });
      const sent = protocol.includes("base64") ? `0${btoa("\xff\x00in")}` : "\0\xff\x00in";
      socket.send(Buffer.from(sent, "latin1"));
      const input: Buffer = await new Promise((go) => command.stdin!.once("data", go));
      assert.equal(input.toString("latin1"), "\xff\x00in");
      command.stdout.write(Buffer.from("\xfeout", "latin1"));
      command.exit(0);
      await closed;
      assert.equal(channels.get(1), "\xfeout");
      assert.match(channels.get(3)!, /"Success"/);
    });
  }

  for (const protocol of ["v5.channel.k8s.io", "v4.base64.channel.k8s.io"]) {
    it(`carries binary data both ways without a change as ${protocol}`, async () => {
      await using streams = await served();
      const { socket, channels, closed, command } = await session(streams, protocol, {
        stdin: true,
      });
      command.stdin!.pipe(command.stdout, { end: false });
      const block = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
      const text = block.toString("latin1");
      const message = protocol.includes("base64") ? `0${btoa(text)}` : `\0${text}`;
      for (let index = 0; index < 20; index++) socket.send(Buffer.from(message, "latin1"));
      while ((channels.get(1)?.length ?? 0) < 20 * block.length) {
        await new Promise((resolve) => socket.once("message", resolve));
      }
      assert.ok(channels.get(1) === text.repeat(20));
      command.exit(0);
      assert.equal(await closed, 1000);
    });
  }

  it("says nothing of success to the oldest clients", async () => {
    await using streams = await served();
    const { channels, closed, command } = await session(streams, "channel.k8s.io");
    command.exit(0);
    await closed;
    assert.equal(channels.get(3), undefined);
  });

  it("resizes a terminal, also before the command has started", async () => {
    await using streams = await served();
    const { socket, command } = await session(streams, "v5.channel.k8s.io", {
      tty: true,
      stdin: true,
    });
    socket.send(Buffer.from('\x04{"Width":90,"Height":30}'));
    while (command.sizes.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(command.sizes, [{ width: 90, height: 30 }]);
    socket.terminate();
    await command.hungUp;
  });

  it("answers pings", async () => {
    await using streams = await served();
    const { socket } = await session(streams, "v5.channel.k8s.io");
    const pong = new Promise((resolve) => socket.once("pong", resolve));
    socket.ping("beat");
    assert.equal(String(await pong), "beat");
    socket.terminate();
  });

  it("cuts off who sends a message beyond all measure", async () => {
    await using streams = await served();
    const { socket, closed, command } = await session(streams, "v5.channel.k8s.io", {
      stdin: true,
    });
    socket.on("error", () => {});
    socket.send(Buffer.alloc(2 * 1024 * 1024));
    await closed;
    await command.hungUp;
  });

  it("stops reading a client whose input is not read", async () => {
    await using streams = await served();
    const { socket } = await session(streams, "v5.channel.k8s.io", { stdin: true });
    const chunk = Buffer.alloc(64 * 1024);
    for (let index = 0; index < 400; index++) socket.send(chunk);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // 25 MB were sent; what the kernel cannot keep is still on the client's side.
    assert.ok(socket.bufferedAmount > 10_000_000, String(socket.bufferedAmount));
    socket.terminate();
  });
});
