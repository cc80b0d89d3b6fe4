/**
 * A client of SPDY/3.1 as those of Kubernetes are: it sends no WINDOW_UPDATE and heeds none.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { FrameParser } from "../../src/streaming/spdy/frame_parser.ts";
import {
  dataHead,
  FLAG_FIN,
  type Frame,
  ping,
  rstStream,
  synStream,
} from "../../src/streaming/spdy/frames.ts";
import { HeaderWriter } from "../../src/streaming/spdy/headers.ts";

/** What a server answered to an upgrade. */
export interface UpgradeAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly socket: Socket;
}

/** Asks for an upgrade; certificates are not checked. Anything but 101 is a result too. */
export async function upgrade(
  url: string,
  headers: Readonly<Record<string, string>>,
  method = "POST",
): Promise<UpgradeAnswer> {
  const { hostname, port, pathname, protocol } = new URL(url);
  const target = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
  const secure = protocol === "https:";
  const socket = secure ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
  await once(socket, secure ? "secureConnect" : "connect");
  socket.on("error", () => {});
  const lines = Object.entries({ Host: `${hostname}:${port}`, Connection: "Upgrade", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`${method} ${pathname} HTTP/1.1\r\n${head}\r\n`);
  return { socket, ...await readHead(socket) };
}

function readHead(socket: Socket): Promise<Omit<UpgradeAnswer, "socket">> {
  let text = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onEnd = () => reject(new Error(`no answer to the upgrade: ${text}`));
    const onData = (chunk: Buffer) => {
      text = Buffer.concat([text, chunk]);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.pause();
      socket.off("data", onData).off("close", onEnd);
      const [first = "", ...lines] = text.toString("latin1", 0, end).split("\r\n");
      if (text.length > end + 4) socket.unshift(text.subarray(end + 4));
      const headers = new Map(lines.map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }));
      resolve({ status: Number(first.split(" ")[1]), headers });
    };
    socket.on("data", onData).on("close", onEnd);
  });
}

/** One stream as the client sees it. */
export class ClientStream {
  readonly id: number;
  readonly replied = Promise.withResolvers<void>();
  readonly #client: SpdyClient;
  readonly #chunks: Buffer[] = [];
  readonly #ended = Promise.withResolvers<void>();
  /** Called with data instead of keeping it. */
  onData: ((data: Buffer) => void) | undefined;
  size = 0;
  reset = false;

  constructor(client: SpdyClient, id: number) {
    this.#client = client;
    this.id = id;
    this.replied.promise.catch(() => {});
  }

  /** Everything that came, when the server has ended the stream or it was reset. */
  async all(): Promise<Buffer> {
    await this.#ended.promise;
    return Buffer.concat(this.#chunks);
  }

  async text(): Promise<string> {
    return (await this.all()).toString();
  }

  /** Resolves when the socket has room for more. */
  async write(data: Uint8Array | string): Promise<void> {
    await this.#client.send(this.id, Buffer.from(data), 0);
  }

  async end(): Promise<void> {
    await this.#client.send(this.id, Buffer.alloc(0), FLAG_FIN);
  }

  cancel(): void {
    this.#client.socket.write(rstStream(this.id, 5));
    this.finish();
  }

  receive(data: Buffer): void {
    this.size += data.length;
    if (this.onData !== undefined) this.onData(data);
    else this.#chunks.push(Buffer.from(data));
  }

  finish(): void {
    this.#ended.resolve();
    this.replied.reject(new Error(`stream ${this.id} is over`));
  }
}

/** The connection. */
export class SpdyClient {
  readonly socket: Duplex;
  readonly streams = new Map<number, ClientStream>();
  readonly closed: Promise<void>;
  readonly goneAway = Promise.withResolvers<number>();
  readonly pongs: number[] = [];
  readonly #parser = new FrameParser();
  readonly headers = new HeaderWriter();
  /** What the server says it has read, by stream. */
  readonly windowUpdates = new Map<number, number>();
  #nextId = 1;

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on("error", () => {});
    // Each stream that writes waits for the same socket.
    socket.setMaxListeners(0);
    socket.on("data", (chunk: Buffer) => {
      for (const frame of this.#parser.feed(chunk)) this.#handle(frame);
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const stream of this.streams.values()) stream.finish();
        resolve();
      });
    });
    socket.once("end", () => socket.end());
    socket.resume();
  }

  /** Upgrades and starts to speak. @throws When the server refuses. */
  static async connect(url: string, protocols: readonly string[]): Promise<SpdyClient> {
    const answer = await upgrade(url, {
      "Upgrade": "SPDY/3.1",
      ...(protocols.length > 0 ? { "X-Stream-Protocol-Version": protocols.join(", ") } : {}),
    });
    if (answer.status === 101) return new SpdyClient(answer.socket);
    answer.socket.destroy();
    throw new Error(`the server answers ${answer.status}`);
  }

  /** Opens a stream; it may be written to at once. */
  open(headers: Readonly<Record<string, string>>): ClientStream {
    const stream = new ClientStream(this, this.#nextId);
    this.#nextId += 2;
    this.streams.set(stream.id, stream);
    this.socket.write(synStream(stream.id, this.headers.write(new Map(Object.entries(headers)))));
    return stream;
  }

  ping(id: number): void {
    this.socket.write(ping(id));
  }

  async send(streamId: number, data: Buffer, flags: number): Promise<void> {
    const frame = Buffer.concat([dataHead(streamId, data.length, flags), data]);
    if (!this.socket.write(frame)) await Promise.race([once(this.socket, "drain"), this.closed]);
  }

  close(): void {
    this.socket.destroy();
  }

  #handle(frame: Frame): void {
    switch (frame.kind) {
      case "data": {
        const stream = this.streams.get(frame.streamId);
        if (frame.data.length > 0) stream?.receive(frame.data);
        if (frame.fin) stream?.finish();
        return;
      }
      case "syn_reply":
        this.streams.get(frame.streamId)?.replied.resolve();
        return;
      case "rst_stream": {
        const stream = this.streams.get(frame.streamId);
        if (stream === undefined) return;
        stream.reset = true;
        stream.finish();
        return;
      }
      case "ping":
        this.pongs.push(frame.id);
        return;
      case "window_update":
        this.windowUpdates.set(
          frame.streamId,
          (this.windowUpdates.get(frame.streamId) ?? 0) + frame.delta,
        );
        return;
      case "goaway":
        this.goneAway.resolve(frame.status);
        return;
      default:
        return;
    }
  }
}

/** The streams of exec and attach. */
export interface CommandClient {
  readonly connection: SpdyClient;
  readonly error: ClientStream;
  readonly stdin: ClientStream | undefined;
  readonly stdout: ClientStream | undefined;
  readonly stderr: ClientStream | undefined;
  readonly resize: ClientStream | undefined;
}

/** Connects to an exec or attach URL and opens its streams in the order that clients do. */
export async function commandClient(
  url: string,
  types: readonly ("stdin" | "stdout" | "stderr" | "resize")[],
  protocol = "v4.channel.k8s.io",
): Promise<CommandClient> {
  const connection = await SpdyClient.connect(url, [protocol]);
  const open = (type: string) => connection.open({ streamtype: type });
  const error = open("error");
  const opened = new Map(types.map((type) => [type, open(type)]));
  return {
    connection,
    error,
    stdin: opened.get("stdin"),
    stdout: opened.get("stdout"),
    stderr: opened.get("stderr"),
    resize: opened.get("resize"),
  };
}
