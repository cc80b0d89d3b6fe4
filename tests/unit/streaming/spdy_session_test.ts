import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import { goAway, rstStream, synStream, windowUpdate } from "../../../src/streaming/spdy/frames.ts";
import { commandClient, SpdyClient } from "../../harness/spdy_client.ts";
import { execUrl, type FakeCommand, served } from "./fake_sources.ts";

type Streams = Awaited<ReturnType<typeof served>>;

/** A client and the command it has started. */
async function session(
  { server, sources }: Streams,
  types: Parameters<typeof commandClient>[1],
  protocol?: string,
) {
  const tty = types.includes("resize");
  const url = execUrl(server, {
    tty,
    stdin: types.includes("stdin"),
    stdout: types.includes("stdout"),
    stderr: types.includes("stderr"),
  });
  const started = sources.started();
  const client = await commandClient(url, types, protocol);
  return { client, command: await started };
}

describe("a command over SPDY", () => {
  it("carries its streams, and ends with a Status", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    await client.stdin!.write("question");
    assert.equal(String(await new Promise((go) => command.stdin!.once("data", go))), "question");
    command.stdout.write("answer");
    command.stderr!.write("complaint");
    command.exit(3);
    assert.equal(await client.stdout!.text(), "answer");
    assert.equal(await client.stderr!.text(), "complaint");
    assert.match(await client.error.text(), /"NonZeroExitCode".*"3"/);
    await client.connection.closed;
  });

  it("ends with the command, though its input is still open", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    command.exit(0);
    assert.equal(JSON.parse(await client.error.text()).status, "Success");
    await client.connection.closed;
  });

  it("passes the end of input on, and goes on", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    command.stdin!.resume();
    const ended = new Promise((resolve) => command.stdin!.once("end", resolve));
    await client.stdin!.end();
    await ended;
    command.stdout.write("still here");
    command.exit(0);
    assert.equal(await client.stdout!.text(), "still here");
    client.connection.close();
  });

  for (
    const [protocol, report] of [
      ["channel.k8s.io", /^command terminated .* 2$/],
      ["v2.channel.k8s.io", /^command terminated .* 2$/],
      ["v3.channel.k8s.io", /^command terminated .* 2$/],
      ["v4.channel.k8s.io", /"status":"Failure"/],
      ["v5.channel.k8s.io", /"status":"Failure"/],
    ] as const
  ) {
    it(`reports failures as ${protocol} does`, async () => {
      await using streams = await served();
      const { client, command } = await session(streams, ["stdout", "stderr"], protocol);
      command.exit(2);
      assert.match(await client.error.text(), report);
      client.connection.close();
    });
  }

  it("tells why a command cannot be started", async () => {
    await using streams = await served();
    const url = execUrl(streams.server, { command: ["missing"] });
    const client = await commandClient(url, ["stdout", "stderr"]);
    assert.match(await client.error.text(), /no such command: missing/);
    client.connection.close();
  });

  it("resizes the terminal, the last of many sizes at least", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "resize"]);
    for (let width = 1; width <= 5000; width++) {
      await client.resize!.write(`{"Width":${width},"Height":20}\n`);
    }
    await client.stdin!.write("x");
    await new Promise((resolve) => command.stdin!.once("data", resolve));
    while (command.sizes.at(-1)?.width !== 5000) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(command.sizes.length <= 5000);
    client.connection.close();
  });

  it("answers the pings of its client, and only those", async () => {
    await using streams = await served();
    const { client } = await session(streams, ["stdin", "stdout", "stderr"]);
    client.connection.ping(7);
    client.connection.ping(8); // ours: not to be answered
    client.connection.ping(9);
    while (client.connection.pongs.length < 2) await new Promise((go) => setTimeout(go, 5));
    assert.deepEqual(client.connection.pongs, [7, 9]);
    client.connection.close();
  });

  it("hangs up the command when the client vanishes", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    client.connection.close();
    await command.hungUp;
  });

  it("takes a stream that the client resets as closed, and no more", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    client.stdout!.cancel();
    await new Promise((resolve) => command.stdout.once("close", resolve));
    command.stderr!.write("still here");
    command.exit(0);
    assert.equal(await client.stderr!.text(), "still here");
    client.connection.close();
  });

  it("carries binary data both ways without a change", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    command.stdin!.pipe(command.stdout, { end: false });
    command.stdin!.once("end", () => command.exit(0));
    const sent = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    for (let index = 0; index < 50; index++) await client.stdin!.write(sent);
    await client.stdin!.end();
    const received = await client.stdout!.all();
    assert.ok(received.equals(Buffer.concat(Array(50).fill(sent))));
    client.connection.close();
  });
});

describe("a slow or hostile SPDY client", () => {
  /** Writes to the command's output until it is not taken any more; the bytes that were. */
  const fill = async (command: FakeCommand) => {
    let written = 0;
    const chunk = Buffer.alloc(64 * 1024);
    for (;;) {
      if (!command.stdout.write(chunk)) {
        const drained = new Promise((resolve) => command.stdout.once("drain", () => resolve(true)));
        const stuck = new Promise((resolve) => setTimeout(() => resolve(false), 500));
        if (!await Promise.race([drained, stuck])) return written;
      }
      written += chunk.length;
    }
  };

  it("that reads nothing stops the command, not the memory", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    client.connection.socket.pause();
    const written = await fill(command);
    const kernel = await socketBuffers();
    assert.ok(written < kernel + 1024 * 1024, `${written} bytes were taken`);
    client.connection.close();
  });

  it("whose input is not read is not read either", async () => {
    await using streams = await served();
    const { client } = await session(streams, ["stdin", "stdout", "stderr"]);
    let sent = 0;
    let stuck = false;
    const chunk = Buffer.alloc(64 * 1024);
    while (!stuck) {
      const timer = new Promise<true>((resolve) => setTimeout(() => resolve(true), 500));
      stuck = await Promise.race([client.stdin!.write(chunk).then(() => false), timer]);
      sent += chunk.length;
    }
    assert.ok(sent < await socketBuffers() + 1024 * 1024, `${sent} bytes were taken`);
    client.connection.close();
  });

  it("that uses windows gets no more than they allow", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    const { socket } = client.connection;
    socket.write(windowUpdate(client.stdout!.id, 1));
    client.connection.ping(1);
    while (client.connection.pongs.length === 0) await new Promise((go) => setTimeout(go, 5));
    for (let index = 0; index < 4; index++) command.stdout.write(Buffer.alloc(64 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(client.stdout!.size, 64 * 1024 + 1);
    socket.write(windowUpdate(client.stdout!.id, 1_000_000));
    command.exit(0);
    assert.equal((await client.stdout!.all()).length, 256 * 1024);
    client.connection.close();
  });

  it("is told what was read of its input", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdin", "stdout", "stderr"]);
    command.stdin!.resume();
    const updates = client.connection.windowUpdates;
    for (let index = 0; index < 10; index++) await client.stdin!.write(Buffer.alloc(32 * 1024));
    while ((updates.get(client.stdin!.id) ?? 0) < 256 * 1024) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    client.connection.close();
  });

  it("gets no more streams than a command has", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    const more = Array.from(
      { length: 100 },
      () => client.connection.open({ streamtype: "stdin" }),
    );
    await Promise.all(more.map((stream) => stream.all()));
    assert.ok(more.every((stream) => stream.reset));
    command.exit(0);
    assert.match(await client.error.text(), /Success/);
    client.connection.close();
  });

  it("is cut off when it goes on asking for streams", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    for (let count = 0; count < 10_000; count++) client.connection.open({ streamtype: "stdin" });
    await client.connection.closed;
    await command.hungUp;
  });

  for (
    const [what, frames] of [
      ["an even stream number", (c: SpdyClient) => [synStream(2, c.headers.write(new Map()))]],
      ["a stream number twice", (c: SpdyClient) => [synStream(1, c.headers.write(new Map()))]],
      ["headers that are garbage", () => [synStream(99, Buffer.from("not compressed"))]],
      ["data for a stream that never was", () => [Buffer.from("0000ff0100000001" + "00", "hex")]],
      ["another protocol", () => [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3))]],
      ["a window beyond all", (c: SpdyClient) => [windowUpdate(c.streams.get(3)!.id, 0x7fffffff)]],
    ] as const
  ) {
    it(`is cut off for ${what}`, async () => {
      await using streams = await served();
      const { client, command } = await session(streams, ["stdout", "stderr"]);
      for (const frame of frames(client.connection)) client.connection.socket.write(frame);
      await client.connection.closed;
      await command.hungUp;
    });
  }

  it("may send what means nothing", async () => {
    await using streams = await served();
    const { client, command } = await session(streams, ["stdout", "stderr"]);
    const { socket } = client.connection;
    socket.write(rstStream(77, 5));
    socket.write(windowUpdate(77, 5));
    socket.write(goAway(0, 0));
    socket.write(Buffer.from("8003000a00000004" + "00000000", "hex")); // CREDENTIAL
    command.exit(0);
    assert.match(await client.error.text(), /Success/);
    client.connection.close();
  });
});

/** What the kernel may keep of a loopback connection. */
async function socketBuffers(): Promise<number> {
  const most = async (name: string) => {
    const text = await Deno.readTextFile(`/proc/sys/net/ipv4/tcp_${name}`);
    return Number(text.trim().split(/\s+/)[2]);
  };
  return await most("rmem") + await most("wmem");
}
