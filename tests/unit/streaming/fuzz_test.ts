import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import {
  dataHead,
  goAway,
  ping,
  rstStream,
  synReply,
  synStream,
  windowUpdate,
} from "../../../src/streaming/spdy/frames.ts";
import { SpdyClient, upgrade } from "../../harness/spdy_client.ts";
import { execUrl, served } from "./fake_sources.ts";

type Streams = Awaited<ReturnType<typeof served>>;

const RUNS = { numRuns: 150, interruptAfterTimeLimit: 10_000 } as const;
const ALL = { tty: false, stdin: true, stdout: true, stderr: true };

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));
/** Of streams that there are, that there were, and that there never will be. */
const id = fc.oneof(fc.integer({ min: 0, max: 13 }), fc.nat(0x7fffffff));

/** Something to send, most of it in good form: what is not ends the session at once. */
const spdyFrame: fc.Arbitrary<(client: SpdyClient) => Buffer> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(openId(), streamHeaders(), fc.nat(3)).map(open) },
  { weight: 6, arbitrary: fc.tuple(id, bytes(3000), fc.nat(1)).map(data) },
  { weight: 2, arbitrary: id.map((streamId) => () => rstStream(streamId, 5)) },
  { weight: 2, arbitrary: fc.nat(9).map((number) => () => ping(number)) },
  {
    weight: 2,
    arbitrary: fc.tuple(id, fc.nat(0x7fffffff)).map(([at, delta]) => () => windowUpdate(at, delta)),
  },
  { weight: 1, arbitrary: fc.nat(0xffffffff).map((window) => () => settings(window)) },
  { weight: 1, arbitrary: fc.constant(() => goAway(0, 0)) },
  {
    weight: 1,
    arbitrary: id.map((at) => (client: SpdyClient) =>
      synReply(at, client.headers.write(new Map()))
    ),
  },
  { weight: 1, arbitrary: bytes(200).map((garbage) => () => garbage) },
  { weight: 1, arbitrary: bytes(200).map((garbage) => () => synStream(99, garbage)) },
);

function openId(): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min: 0, max: 6 }).map((index) => 2 * index + 1), id);
}

function streamHeaders(): fc.Arbitrary<Map<string, string>> {
  const type = fc.constantFrom("error", "stdin", "stdout", "stderr", "resize", "data", "");
  return fc.tuple(type, fc.constantFrom("80", "1", "0", "x"), fc.constantFrom("", "0", "1")).map((
    [streamtype, port, requestid],
  ) => new Map(Object.entries({ streamtype, port, requestid })));
}

function open([streamId, headers, flags]: [number, Map<string, string>, number]) {
  return (client: SpdyClient) => synStream(streamId, client.headers.write(headers), flags);
}

function data([streamId, content, flags]: [number, Buffer, number]) {
  return () => Buffer.concat([dataHead(streamId, content.length, flags), content]);
}

/** One setting: the first window of every stream. */
function settings(window: number): Buffer {
  const frame = Buffer.from("80030004" + "0000000c" + "00000001" + "00000007" + "00000000", "hex");
  frame.writeUInt32BE(window, 16);
  return frame;
}

/** A frame of WebSocket, its payload masked with zeros; its length may be a lie. */
const webSocketFrame: fc.Arbitrary<Buffer> = fc.tuple(
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(0x82, 0x81) },
    { weight: 2, arbitrary: fc.constantFrom(0x02, 0x80, 0x89, 0x8a, 0x88) },
    { weight: 1, arbitrary: fc.nat(255) },
  ),
  fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 255), fc.constantFrom(...Buffer.from("01234"))),
  bytes(400),
  fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(100_000) }),
).map(([first, channel, content, lie]) => {
  const head = Buffer.from([first, 0x80 | 126, 0, 0, 0, 0, 0, 0, channel]);
  head.writeUInt16BE((content.length + 1 + lie) & 0xffff, 2);
  return Buffer.concat([head, content]);
});

/** What every session must come to whatever its client has sent. */
async function endsWithItsClient({ sources }: Streams): Promise<void> {
  await Promise.all(sources.commands.splice(0).map((command) => command.hungUp));
}

/** Has the next command, if there is one, say what it hears. */
function echoNext({ sources }: Streams): void {
  sources.started().then(({ stdin, stdout }) => stdin?.pipe(stdout, { end: false }));
}

async function isServed({ server }: Streams): Promise<void> {
  const url = server.offer({ kind: "portforward", id: "p1" });
  const client = await SpdyClient.connect(url, ["portforward.k8s.io"]);
  const headers = { port: "80", requestid: "0" };
  client.open({ ...headers, streamtype: "error" });
  const stream = client.open({ ...headers, streamtype: "data" });
  await stream.write("still here");
  await stream.end();
  assert.equal(await stream.text(), "still here");
  client.close();
}

describe("a client that sends anything", () => {
  const spdyKinds = [["exec", "v4.channel.k8s.io"], ["portforward", "portforward.k8s.io"]] as const;
  for (const [kind, protocol] of spdyKinds) {
    it(`over SPDY for ${kind} harms nobody`, async () => {
      await using streams = await served();
      const session = fc.asyncProperty(
        fc.array(spdyFrame, { maxLength: 40 }),
        fc.boolean(),
        async (frames, waits) => {
          echoNext(streams);
          const { server } = streams;
          const url = kind === "exec" ? execUrl(server, ALL) : server.offer({ kind, id: "p1" });
          const client = await SpdyClient.connect(url, [protocol]);
          for (const frame of frames) client.socket.write(frame(client));
          if (waits) await new Promise((resolve) => client.socket.write("", resolve));
          client.close();
          await client.closed;
          await endsWithItsClient(streams);
        },
      );
      await fc.assert(session, RUNS);
      await isServed(streams);
      await endsWithItsClient(streams);
    });
  }

  const webSocketKinds = [
    ["exec", "v5.channel.k8s.io"],
    ["exec", "v4.base64.channel.k8s.io"],
    ["portforward", "SPDY/3.1+portforward.k8s.io"],
  ] as const;
  for (const [kind, protocol] of webSocketKinds) {
    it(`over WebSocket as ${protocol} harms nobody`, async () => {
      await using streams = await served();
      const session = fc.asyncProperty(
        fc.array(webSocketFrame, { maxLength: 40 }),
        async (frames) => {
          echoNext(streams);
          const { server } = streams;
          const url = kind === "exec" ? execUrl(server, ALL) : server.offer({ kind, id: "p1" });
          const { status, socket } = await upgrade(url, {
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocol,
          }, "GET");
          assert.equal(status, 101);
          const closed = new Promise((resolve) => socket.once("close", resolve));
          socket.resume();
          for (const frame of frames) socket.write(frame);
          await new Promise((resolve) => socket.write("", resolve));
          socket.destroy();
          await closed;
          await endsWithItsClient(streams);
        },
      );
      await fc.assert(session, RUNS);
      await isServed(streams);
      await endsWithItsClient(streams);
    });
  }
});
