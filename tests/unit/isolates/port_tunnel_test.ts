import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { receiveBlob, sendBlob, transferOf } from "../../../src/image/blob_stream.ts";
import { connectRpc, serveRpc } from "../../../src/image/isolate_rpc.ts";
import type { BlobPort } from "../../../src/image/types.ts";
import { decodeFrames, encodeFrame } from "../../../src/isolates/frames.ts";
import { PortTunnel, type TunnelFrame } from "../../../src/isolates/port_tunnel.ts";

const PIECES = [1, 2, 3].map((number) => new Uint8Array(100_000).fill(number));

describe("frames", () => {
  const VALUES = [{ a: undefined, b: [1, "x", null] }, PIECES[0], "", new Map([["k", 1n]])];

  for (const size of [1, 7, 4096, 1 << 20]) {
    it(`come out as they went in, in pieces of ${size} bytes`, async () => {
      const bytes = Uint8Array.from(VALUES.flatMap((value) => [...encodeFrame(value)]));
      async function* stream() {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      assert.deepEqual(await Array.fromAsync(decodeFrames(stream())), VALUES);
    });
  }

  it("that claim to be too long are refused", async () => {
    async function* stream() {
      yield new Uint8Array([255, 255, 255, 255, 0]);
    }
    await assert.rejects(() => Array.fromAsync(decodeFrames(stream())), /4294967295 bytes/);
  });
});

/** Two ends whose frames go through bytes, in order. */
function tunnels(): readonly [PortTunnel, PortTunnel] {
  const ends: PortTunnel[] = [];
  const to = (other: number) => {
    let last = Promise.resolve();
    return (frame: TunnelFrame) => {
      const bytes = encodeFrame(frame);
      last = last.then(async () => {
        for await (const each of decodeFrames(one(bytes))) {
          await ends[other]!.receive(each as TunnelFrame);
        }
      });
    };
  };
  ends.push(new PortTunnel(to(1)), new PortTunnel(to(0)));
  return [ends[0]!, ends[1]!];
}

async function* one(bytes: Uint8Array) {
  yield bytes;
}

/** A service behind the far end, called through the tunnel. */
async function service(near: PortTunnel, far: PortTunnel) {
  const [here, there] = [new MessageChannel(), new MessageChannel()];
  const number = near.bridge(here.port1);
  far.bridge(there.port1, number);
  await serveRpc(there.port2, {
    send: (request) =>
      sendBlob((request as { port: BlobPort }).port, async function* () {
        for (const piece of PIECES) yield piece.slice();
      }),
    receive: async (request) => {
      let size = 0;
      for await (const piece of receiveBlob((request as { port: BlobPort }).port)) {
        size += piece.length;
      }
      return size;
    },
    stall: (request) =>
      sendBlob((request as { port: BlobPort }).port, async function* () {
        await new Promise(() => {});
        yield new Uint8Array();
      }),
    fail: () => {
      throw new Error("it fails");
    },
  });
  return await connectRpc(here.port2, "the service");
}

describe("a tunnel between two processes", () => {
  it("carries calls, their failures, and the bytes of blobs", async () => {
    const [near, far] = tunnels();
    using rpc = await service(near, far);
    await assert.rejects(() => rpc.call("fail", {}), /it fails/);
    const { port1, port2 } = new MessageChannel();
    const sent = rpc.call("send", { port: port1 }, { transfer: transferOf(port1) });
    const received = await Array.fromAsync(receiveBlob(port2));
    assert.deepEqual(received, PIECES);
    await sent;
  });

  it("leaves alone what goes through a channel of the other side", async () => {
    const [near, far] = tunnels();
    using rpc = await service(near, far);
    const sent = rpc.call("send", { port: { channel: 7, end: "producer" } });
    const received = rpc.call("receive", { port: { channel: 7, end: "consumer" } });
    assert.equal(await received, 300_000);
    await sent;
  });

  it("tells whoever waits when the other side has gone", async () => {
    const [near, far] = tunnels();
    using rpc = await service(near, far);
    const { port1, port2 } = new MessageChannel();
    const call = rpc.call("stall", { port: port1 }, { transfer: transferOf(port1) });
    const received = Array.fromAsync(receiveBlob(port2));
    await assert.rejects(() => rpc.call("fail", {}), /it fails/);
    near[Symbol.dispose]();
    await assert.rejects(call, /the service stopped unexpectedly/);
    await assert.rejects(received, /the producer of the blob went away/);
  });
});
