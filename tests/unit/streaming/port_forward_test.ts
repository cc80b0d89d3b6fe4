import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Duplex, PassThrough } from "node:stream";
import { describe, it } from "@std/testing/bdd";
import { SpdyClient } from "../../harness/spdy_client.ts";
import { served } from "./fake_sources.ts";

type Streams = Awaited<ReturnType<typeof served>>;

function client({ server }: Streams): Promise<SpdyClient> {
  return SpdyClient.connect(server.offer({ kind: "portforward", id: "p1" }), [
    "portforward.k8s.io",
  ]);
}

/** The two streams of one connection. */
function open(connection: SpdyClient, port: number, requestid: string) {
  const headers = { port: String(port), requestid };
  return {
    error: connection.open({ ...headers, streamtype: "error" }),
    data: connection.open({ ...headers, streamtype: "data" }),
  };
}

describe("port-forward", () => {
  it("carries each connection both ways, and its ends", async () => {
    await using streams = await served();
    const connection = await client(streams);
    const first = open(connection, 80, "0");
    const second = open(connection, 81, "1");
    await first.data.write("one");
    await second.data.write("two");
    await first.data.end();
    await second.data.end();
    assert.equal(await first.data.text(), "one");
    assert.equal(await second.data.text(), "two");
    assert.equal(await first.error.text(), "");
    connection.close();
  });

  it("says on the error stream why there is no connection", async () => {
    await using streams = await served();
    const connection = await client(streams);
    const { data, error } = open(connection, 1, "0");
    assert.match(await error.text(), /error forwarding port 1 to pod p1: .*Connection refused/);
    assert.equal(await data.text(), "");
    connection.close();
  });

  it("serves hundreds of connections at once", async () => {
    await using streams = await served();
    const connection = await client(streams);
    const payload = Buffer.from(crypto.getRandomValues(new Uint8Array(20_000)));
    const echoes = Array.from({ length: 300 }, async (_, index) => {
      const { data } = open(connection, 80, String(index));
      await data.write(payload);
      await data.end();
      return await data.all();
    });
    for (const echo of await Promise.all(echoes)) assert.ok(echo.equals(payload));
    connection.close();
  });

  it("refuses streams that are not of a connection", async () => {
    await using streams = await served();
    const connection = await client(streams);
    const refused = [
      connection.open({ streamtype: "stdin", port: "80", requestid: "0" }),
      connection.open({ streamtype: "data", port: "0", requestid: "0" }),
      connection.open({ streamtype: "data", port: "99999", requestid: "0" }),
      connection.open({ streamtype: "data", requestid: "0" }),
    ];
    await Promise.all(refused.map((stream) => stream.all()));
    assert.ok(refused.every((stream) => stream.reset));
    connection.close();
  });

  it("pairs the streams of clients that number nothing", async () => {
    await using streams = await served();
    const connection = await client(streams);
    connection.open({ streamtype: "error", port: "80" });
    const data = connection.open({ streamtype: "data", port: "80" });
    await data.write("x");
    await data.end();
    assert.equal(await data.text(), "x");
    connection.close();
  });

  it("closes a connection whose client has gone before it was made", async () => {
    await using streams = await served();
    const target = new PassThrough();
    const made = Promise.withResolvers<Duplex>();
    streams.sources.connect = () => made.promise;
    const connection = await client(streams);
    const { data } = open(connection, 80, "0");
    data.cancel();
    // Frames are read in their order.
    await connection.open({ port: "80", requestid: "1", streamtype: "error" }).replied.promise;
    made.resolve(target);
    await new Promise<void>((resolve) => target.once("close", () => resolve()));
    connection.close();
  });

  it("drops half a connection whose other half does not come", async () => {
    await using streams = await served({ openMs: 50 });
    const connection = await client(streams);
    const { error } = {
      error: connection.open({ streamtype: "error", port: "80", requestid: "9" }),
    };
    await error.all();
    assert.ok(error.reset);
    connection.close();
  });

  it("ends at its limit of streams, not of memory", async () => {
    await using streams = await served();
    const connection = await client(streams);
    const halves = Array.from(
      { length: 2500 },
      (_, index) => connection.open({ streamtype: "error", port: "80", requestid: String(index) }),
    );
    await Promise.all(halves.slice(2000).map((stream) => stream.all()));
    assert.ok(halves.slice(2000).every((stream) => stream.reset));
    connection.close();
    await connection.closed;
  });
});
