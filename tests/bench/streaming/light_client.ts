/**
 * Clients of crid's socket and its streams with next to nothing of their own. The ones of the tests are
 * made of `@grpc/grpc-js` and Node's streams, which take 5 ms for a command: more than crid does, and
 * none of it is there when a kubelet calls.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { FrameParser } from "../../../src/streaming/spdy/frame_parser.ts";
import { type Frame, synStream } from "../../../src/streaming/spdy/frames.ts";
import { HeaderWriter } from "../../../src/streaming/spdy/headers.ts";

const READ_SIZE = 64 * 1024;

/** What comes over a connection, in pieces that are as large as is asked for. */
class Input {
  readonly #connection: Deno.Conn;
  readonly #buffer = new Uint8Array(READ_SIZE);
  #kept: Buffer = Buffer.alloc(0);

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async take(size: number): Promise<Buffer> {
    while (this.#kept.length < size) this.#kept = Buffer.concat([this.#kept, await this.#read()]);
    const taken = this.#kept.subarray(0, size);
    this.#kept = this.#kept.subarray(size);
    return taken;
  }

  /** What is there, once there is something. */
  async any(): Promise<Buffer> {
    if (this.#kept.length === 0) return Buffer.from(await this.#read());
    return await this.take(this.#kept.length);
  }

  async #read(): Promise<Uint8Array> {
    const size = await this.#connection.read(this.#buffer);
    if (size === null) throw new Error("the server has hung up");
    return this.#buffer.subarray(0, size);
  }
}

/** Frames of HTTP/2 (RFC 9113, section 6). */
const Http2 = { DATA: 0, HEADERS: 1, SETTINGS: 4, PING: 6, WINDOW_UPDATE: 8 } as const;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;

function http2Frame(kind: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header that is in no table (RFC 7541, section 6.2.2); its parts are shorter than 127 bytes. */
function literal(name: string, value: string): Buffer {
  const text = (part: string) => Buffer.concat([Buffer.of(part.length), Buffer.from(part)]);
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** `:method: POST` and `:scheme: http` have numbers. */
const METHOD_AND_SCHEME = Buffer.of(0x83, 0x86);

/** gRPC over one connection to a socket, one call at a time. */
export class LightCri implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #input: Input;
  #stream = 1;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#input = new Input(connection);
  }

  static async connect(path: string): Promise<LightCri> {
    const client = new LightCri(await Deno.connect({ transport: "unix", path }));
    await client.#send(
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      http2Frame(Http2.SETTINGS, 0, 0, Buffer.alloc(0)),
    );
    return client;
  }

  /** The answer's message; an error has none. */
  async call(method: string, message: Uint8Array): Promise<Buffer> {
    const stream = this.#stream;
    this.#stream += 2;
    const headers = Buffer.concat([
      METHOD_AND_SCHEME,
      literal(":path", `/runtime.v1.RuntimeService/${method}`),
      literal(":authority", "localhost"),
      literal("content-type", "application/grpc"),
      literal("te", "trailers"),
    ]);
    const body = Buffer.concat([Buffer.of(0), uint32(message.length), message]);
    await this.#send(
      http2Frame(Http2.HEADERS, END_HEADERS, stream, headers),
      http2Frame(Http2.DATA, END_STREAM, stream, body),
    );
    const parts: Buffer[] = [];
    for (;;) {
      const head = await this.#input.take(9);
      const payload = await this.#input.take(head.readUIntBE(0, 3));
      const [kind, flags] = [head[3]!, head[4]!];
      if (kind === Http2.SETTINGS && (flags & ACK) === 0) {
        await this.#send(http2Frame(Http2.SETTINGS, ACK, 0, Buffer.alloc(0)));
      } else if (kind === Http2.PING && (flags & ACK) === 0) {
        await this.#send(http2Frame(Http2.PING, ACK, 0, payload));
      } else if (kind === Http2.DATA && payload.length > 0) {
        parts.push(payload);
        await this.#send(http2Frame(Http2.WINDOW_UPDATE, 0, 0, uint32(payload.length)));
      }
      const mayEnd = kind === Http2.DATA || kind === Http2.HEADERS;
      if (mayEnd && head.readUInt32BE(5) === stream && (flags & END_STREAM) !== 0) break;
    }
    if (parts.length === 0) throw new Error(`${method} failed`);
    return Buffer.concat(parts).subarray(5);
  }

  async #send(...frames: readonly Buffer[]): Promise<void> {
    await writeAll(this.#connection, Buffer.concat(frames));
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/**
 * Connects to a URL of exec over SPDY and opens the streams as Kubernetes' clients do, each when the
 * one before is there.
 *
 * @returns How the command has ended: what the error stream says.
 */
export async function execStatus(url: string, types: readonly string[]): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  const input = new Input(connection);
  const request = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    "X-Stream-Protocol-Version: v4.channel.k8s.io",
  ];
  await writeAll(connection, Buffer.from(`${request.join("\r\n")}\r\n\r\n`));
  for (let answer = ""; !answer.endsWith("\r\n\r\n");) answer += await input.take(1);
  const frames = spdyFrames(input);
  const headers = new HeaderWriter();
  for (const [index, type] of ["error", ...types].entries()) {
    const block = headers.write(new Map([["streamtype", type]]));
    await writeAll(connection, synStream(2 * index + 1, block));
    for (let frame = await next(frames); frame.kind !== "syn_reply";) frame = await next(frames);
  }
  let status = "";
  for (;;) {
    const frame = await next(frames);
    if (frame.kind !== "data" || frame.streamId !== 1) continue;
    status += frame.data;
    if (frame.fin) return status;
  }
}

async function* spdyFrames(input: Input): AsyncGenerator<Frame> {
  const parser = new FrameParser();
  for (;;) yield* parser.feed(await input.any());
}

async function next(frames: AsyncGenerator<Frame>): Promise<Frame> {
  const { value, done } = await frames.next();
  if (done) throw new Error("the frames have ended");
  return value;
}
