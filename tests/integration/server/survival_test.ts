import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { criClient } from "../../harness/cri_client.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const CLIENTS = 400;

/** A server in a process of its own: what kills it must not kill the test. */
async function serverProcess() {
  const script = new URL("../../bench/fake_server.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, "0"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = child.stdout.getReader();
  const { value } = await output.read();
  return {
    path: new TextDecoder().decode(value).trim(),
    /** Ends it, and says how it ended. */
    async end(): Promise<string | number> {
      await child.stdin.close().catch(() => {});
      await output.cancel();
      const { code, signal } = await child.status;
      return signal ?? code;
    },
  };
}

/** One frame of HTTP/2 (RFC 9113, section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

const SETTINGS = frame(4, 0, 0, new Uint8Array());

/** Sends bytes on a new connection, and waits for a sign of life or its end. */
function send(path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.write(bytes);
    socket.once("data", () => setTimeout(() => socket.destroy(), 20));
    setTimeout(() => socket.destroy(), 2000).unref();
  });
}

/** Pseudo-random numbers below `limit`, the same in every run. */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % limit;
  };
}

describe("the server lives on", () => {
  it("when hundreds of clients say GOAWAY and leave", async () => {
    const server = await serverProcess();
    for (let round = 0; round < 3; round++) {
      const clients = Array.from({ length: CLIENTS }, () => criClient(server.path));
      for (const client of clients) await client.runtime.version();
      for (const client of clients) client[Symbol.dispose]();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    using client = criClient(server.path);
    assert.equal((await client.runtime.version()).runtimeName, "cri-o");
    assert.equal(await server.end(), 0);
  });

  it("when clients send frames that make no sense", async () => {
    const server = await serverProcess();
    const random = randomNumbers(20_261_122);
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 50 }, () => {
        const frames = Array.from({ length: 1 + random(8) }, () => {
          const payload = Uint8Array.from({ length: random(40) }, () => random(256));
          return frame(random(11), random(256), random(8), payload);
        });
        return send(server.path, Buffer.concat([PREFACE, SETTINGS, ...frames]));
      }));
    }
    using client = criClient(server.path);
    assert.equal((await client.runtime.version()).runtimeName, "cri-o");
    assert.equal(await server.end(), 0);
  });

  it("when clients leave in the middle of their calls", async () => {
    const server = await serverProcess();
    for (let round = 0; round < 5; round++) {
      const clients = Array.from({ length: 50 }, () => criClient(server.path));
      const controller = new AbortController();
      const { signal } = controller;
      const calls = clients.flatMap((client) => [
        client.runtime.listContainers({}, { signal }).catch(() => {}),
        client.runtime.status({ verbose: true }, { signal }).catch(() => {}),
      ]);
      setTimeout(() => controller.abort(), 5 * round);
      for (const client of clients) client[Symbol.dispose]();
      await Promise.all(calls);
    }
    using client = criClient(server.path);
    assert.equal((await client.runtime.version()).runtimeName, "cri-o");
    assert.equal(await server.end(), 0);
  });
});
