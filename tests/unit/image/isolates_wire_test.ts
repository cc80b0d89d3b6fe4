import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { CridError, isCode } from "../../../src/failure/mod.ts";
import { BLOB_WINDOW, type Chunk, receiveBlob, sendBlob } from "../../../src/image/blob_stream.ts";
import { connectRpc, serveRpc } from "../../../src/image/isolate_rpc.ts";

const tick = () => new Promise((resolve) => setTimeout(resolve, 30));

async function* chunks(count: number, size = 1024): AsyncGenerator<Chunk> {
  for (let index = 0; index < count; index++) yield new Uint8Array(size).fill(index);
}

/** A Worker of which a test needs nothing but that it holds a port and dies. */
async function hostage(port: MessagePort): Promise<Worker> {
  const source =
    "self.onmessage = ({ data }) => { self.port = data; self.port.onmessage = () => {};" +
    "self.postMessage('ready'); };";
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
  });
  const ready = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(port, [port]);
  await ready;
  return worker;
}

describe("a blob between isolates", () => {
  it("arrives whole and in order, also when it is much larger than the window", async () => {
    const { port1, port2 } = new MessageChannel();
    const sent = sendBlob(port1, () => chunks(200, 100_000));
    let count = 0;
    for await (const chunk of receiveBlob(port2)) {
      assert.equal(chunk.length, 100_000);
      assert.equal(chunk[0], count++ % 256);
    }
    await sent;
    assert.equal(count, 200);
  });

  it("may be empty", async () => {
    const { port1, port2 } = new MessageChannel();
    const sent = sendBlob(port1, () => chunks(0));
    for await (const _ of receiveBlob(port2)) assert.fail();
    await sent;
  });

  it("stops its producer when the consumer pauses", async () => {
    const { port1, port2 } = new MessageChannel();
    let produced = 0;
    const sent = sendBlob(port1, async function* () {
      for (; produced < 100 * 1024 * 1024; produced += 65536) yield new Uint8Array(65536);
    });
    const received = receiveBlob(port2);
    await received.next();
    await tick();
    const ahead = produced;
    await tick();
    assert.equal(produced, ahead);
    assert.ok(ahead <= BLOB_WINDOW + 65536, `${ahead} bytes ahead`);
    await received.return();
    await assert.rejects(sent, (error) => isCode(error, "cancelled"));
  });

  it("tells the consumer what the producer failed with, and the producer what the consumer did", async () => {
    const first = new MessageChannel();
    const failure = new CridError("resource_exhausted", "no more");
    const sent = sendBlob(first.port1, async function* () {
      yield* chunks(3);
      throw failure;
    });
    sent.catch(() => {});
    await assert.rejects(
      async () => {
        for await (const _ of receiveBlob(first.port2));
      },
      (error) => isCode(error, "resource_exhausted") && error.message === "no more",
    );
    await assert.rejects(sent, failure);

    const second = new MessageChannel();
    const stop = new AbortController();
    const endless = sendBlob(second.port1, () => chunks(1e9));
    endless.catch(() => {});
    const received = receiveBlob(second.port2, stop.signal);
    await received.next();
    stop.abort(new CridError("deadline_exceeded", "too slow"));
    await assert.rejects(
      async () => {
        while (!(await received.next()).done);
      },
      (error) => isCode(error, "deadline_exceeded") && /too slow/.test(error.message),
    );
    await assert.rejects(endless, (error) => isCode(error, "deadline_exceeded"));
  });

  it("fails when the isolate at the other end dies", async () => {
    const consumer = new MessageChannel();
    const holder = await hostage(consumer.port2);
    const sent = sendBlob(consumer.port1, () => chunks(1e9, 65536));
    sent.catch(() => {});
    await tick();
    holder.terminate();
    await assert.rejects(sent, (error) => isCode(error, "unavailable"));

    const producer = new MessageChannel();
    const other = await hostage(producer.port1);
    const received = receiveBlob(producer.port2).next();
    received.catch(() => {});
    await tick();
    other.terminate();
    await assert.rejects(received, (error) => isCode(error, "unavailable"));
  });

  it("that ends without its end is a failure, never a short blob", async () => {
    const { port1, port2 } = new MessageChannel();
    const received = receiveBlob(port2);
    port1.postMessage(new Uint8Array(3));
    await received.next();
    port1.close();
    await assert.rejects(received.next(), (error) => isCode(error, "unavailable"));
  });

  it("from a producer that ignores the window is given up", async () => {
    const { port1, port2 } = new MessageChannel();
    const received = receiveBlob(port2);
    const first = received.next();
    for (let index = 0; index < 20; index++) port1.postMessage(new Uint8Array(1024 * 1024));
    await first;
    await tick();
    await assert.rejects(received.next(), (error) => isCode(error, "internal"));
    port1.close();
  });
});

describe("calls between isolates", () => {
  async function connected(methods: Parameters<typeof serveRpc>[1]) {
    const { port1, port2 } = new MessageChannel();
    const [client, server] = await Promise.all([
      connectRpc(port1, "the peer"),
      serveRpc(port2, methods),
    ]);
    return { client, server };
  }

  it("return what the method returns, each to its caller", async () => {
    const { client } = await connected({
      wait: async (ms) => {
        await new Promise((resolve) => setTimeout(resolve, ms as number));
        return ms;
      },
    });
    using _ = client;
    assert.deepEqual(
      await Promise.all([20, 0, 10].map((ms) => client.call("wait", ms))),
      [20, 0, 10],
    );
  });

  it("keep the code of an error", async () => {
    const { client } = await connected({
      fail: () => Promise.reject(new CridError("permission_denied", "no")),
      crash: () => Promise.reject(new TypeError("oops")),
    });
    using _ = client;
    await assert.rejects(client.call("fail", 0), (error) => isCode(error, "permission_denied"));
    await assert.rejects(client.call("crash", 0), (error) => isCode(error, "internal"));
    await assert.rejects(client.call("none", 0), (error) => isCode(error, "unimplemented"));
  });

  it("that are aborted end when the method has ended", async () => {
    let ended = false;
    const { client } = await connected({
      hang: (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () =>
            setTimeout(() => {
              ended = true;
              reject(signal.reason);
            }, 30))
        ),
    });
    using _ = client;
    const stop = new AbortController();
    const call = client.call("hang", 0, { signal: stop.signal });
    setTimeout(() => stop.abort(new CridError("deadline_exceeded", "late")), 10);
    await assert.rejects(call, (error) => isCode(error, "deadline_exceeded"));
    assert.ok(ended);
  });

  it("fail when the other side goes, and its running methods are aborted when the caller goes", async () => {
    const aborted = Promise.withResolvers<void>();
    const { client, server } = await connected({
      hang: (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => {
            aborted.resolve();
            reject(signal.reason);
          })
        ),
    });
    const first = client.call("hang", 0);
    await tick();
    server[Symbol.dispose]();
    await assert.rejects(first, (error) => isCode(error, "unavailable"));
    await aborted.promise;
    await assert.rejects(client.call("hang", 0), (error) => isCode(error, "unavailable"));
  });

  it("fail when the isolate that serves them is killed", async () => {
    const { port1, port2 } = new MessageChannel();
    const worker = await hostage(port2);
    using client = await connectRpc(port1, "the peer");
    const call = client.call("anything", 0);
    call.catch(() => {});
    worker.terminate();
    await assert.rejects(
      call,
      (error) => isCode(error, "unavailable") && /the peer/.test(error.message),
    );
  });
});
