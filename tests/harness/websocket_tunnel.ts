/**
 * The client's end of SPDY in WebSocket, by hand: libraries refuse its subprotocol, which has a slash.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { upgrade } from "./spdy_client.ts";

const BINARY = 0x82;
const CLOSE = 0x8;
const MASKED = 0x80;

/** Upgrades to a tunnel. @throws When the server refuses. */
export async function webSocketTunnel(url: string, protocol: string): Promise<Duplex> {
  const { status, headers, socket } = await upgrade(url, {
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": protocol,
  }, "GET");
  if (status === 101 && headers.get("sec-websocket-protocol") === protocol) {
    return new Tunnel(socket);
  }
  socket.destroy();
  throw new Error(`the server answers ${status}`);
}

/** Each write is one message; messages are read as they come. */
class Tunnel extends Duplex {
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.once("close", () => this.destroy());
    socket.resume();
  }

  #receive(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (let size = this.#head(); size !== undefined; size = this.#head()) {
      const [head, total] = size;
      const opcode = this.#rest[0]! & 0x0f;
      if (opcode === CLOSE) this.#socket.end();
      else this.push(this.#rest.subarray(head, total));
      this.#rest = this.#rest.subarray(total);
    }
  }

  /** Sizes of the first message's head, and of it all, when it is complete. */
  #head(): readonly [number, number] | undefined {
    if (this.#rest.length < 10) {
      const short = this.#rest.length >= 2 && this.#rest[1]! < 126;
      if (!short) return undefined;
    }
    const length = this.#rest[1]!;
    const head = length < 126 ? 2 : length === 126 ? 4 : 10;
    const size = length < 126
      ? length
      : length === 126
      ? this.#rest.readUInt16BE(2)
      : Number(this.#rest.readBigUInt64BE(2));
    return this.#rest.length < head + size ? undefined : [head, head + size];
  }

  override _read(): void {}

  override _write(data: Buffer, _encoding: string, done: () => void): void {
    const head = Buffer.alloc(14);
    head[0] = BINARY;
    head[1] = MASKED | 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
    // A mask of zeros changes nothing.
    this.#socket.write(Buffer.concat([head, data]), () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
