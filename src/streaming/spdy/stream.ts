import type { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Headers } from "./headers.ts";

/** What a stream tells its connection. */
export interface StreamPort {
  /** Sends data, and the end of the stream with it if `fin`. `done` is called when more may follow. */
  send(stream: SpdyStream, data: Uint8Array, fin: number, done: (error?: Error) => void): void;
  /** Bytes were taken out of the stream's buffer. */
  consumed(stream: SpdyStream, size: number): void;
  /** The stream is over; `reset` if the peer does not know yet. */
  closed(stream: SpdyStream, reset: boolean): void;
}

/** What a stream keeps before its connection is not read any further. */
const MAX_UNREAD = 128 * 1024;
const HIGH_WATER = 64 * 1024;

/** One stream of a SPDY connection. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  /** What the peer allows to be sent; it counts only if the peer uses windows at all. */
  window: number;
  readonly #port: StreamPort;
  #received = 0;
  #consumed = 0;
  #readWanted: (() => void) | undefined;
  #remoteEnded = false;
  #localEnded = false;
  #remoteReset = false;

  constructor(id: number, headers: Headers, window: number, port: StreamPort) {
    super({ allowHalfOpen: true, highWaterMark: HIGH_WATER, emitClose: true });
    this.id = id;
    this.headers = headers;
    this.window = window;
    this.#port = port;
    // A stream that fails is closed; whoever uses it sees that.
    this.on("error", () => {});
  }

  /** Data from the peer. A promise when the reader has to catch up first. */
  deliver(data: Buffer, fin: boolean): Promise<void> | undefined {
    if (this.destroyed || this.#remoteEnded) return undefined;
    if (data.length > 0) {
      this.#received += data.length;
      this.push(data);
    }
    if (fin) {
      this.#remoteEnded = true;
      this.push(null);
    }
    if (this.readableLength < MAX_UNREAD || fin) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#readWanted = resolve;
    return promise;
  }

  /** The peer has reset the stream, or the connection is gone. */
  abandon(): void {
    this.#remoteReset = true;
    this.destroy();
  }

  override _read(): void {
    const consumed = this.#received - this.readableLength;
    if (consumed > this.#consumed) {
      this.#port.consumed(this, consumed - this.#consumed);
      this.#consumed = consumed;
    }
    this.#wake();
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#port.send(this, data, 0, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#localEnded = true;
    this.#port.send(this, EMPTY, 1, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const over = this.#remoteReset || (this.#localEnded && this.#remoteEnded);
    this.#port.closed(this, !over);
    this.#wake();
    done(error);
  }

  #wake(): void {
    this.#readWanted?.();
    this.#readWanted = undefined;
  }
}

const EMPTY = new Uint8Array();
