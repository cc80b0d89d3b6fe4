import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { giveBack, hold } from "../chunk_memory.ts";
import { SpdyError } from "./errors.ts";
import { FrameParser } from "./frame_parser.ts";
import {
  dataHead,
  DEFAULT_WINDOW,
  FLAG_FIN,
  type Frame,
  goAway,
  GoAwayStatus,
  MAX_STREAM_ID,
  ping,
  ResetStatus,
  rstStream,
  synReply,
  windowUpdate,
} from "./frames.ts";
import { HeaderReader, HeaderWriter } from "./headers.ts";
import { SpdyStream, type StreamPort } from "./stream.ts";

/** The most data in one frame, so that streams take turns. */
const MAX_FRAME = 64 * 1024;
/** Answers that wait for a peer who does not read; beyond it the peer is not read either. */
const MAX_UNSENT = 256 * 1024;
/** Consumed bytes are told when they come to so many. */
const UPDATE_STEP = DEFAULT_WINDOW / 2;
/** Streams that are refused besides as many as there may be; who asks for more is cut off. */
const MAX_REFUSED = 100;
/** How long a peer may take to hang up after the end. */
const LINGER_MS = 5_000;

export interface SpdyServerOptions {
  /** Streams at one time; more are refused. */
  readonly maxStreams: number;
  /** A stream was opened; `false` refuses it. Called before anything of it can be read. */
  readonly accept: (stream: SpdyStream) => boolean;
  /** Data has gone over the connection, in either direction. */
  readonly onData?: () => void;
}

/**
 * The server's side of a SPDY/3.1 connection: streams that the client opens.
 *
 * Windows: what was read is told to the peer. Its own windows count only once it has sent a
 * WINDOW_UPDATE or a setting: the clients of Kubernetes never do and would be waited for in vain.
 * Streams of such a client share one buffer limit: when a stream is not read, the connection waits.
 */
export class SpdyServer {
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #options: SpdyServerOptions;
  readonly #parser = new FrameParser();
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #unsent = new Map<SpdyStream, () => void>();
  /** Consumed bytes that the peer has not been told of. */
  readonly #untold = new Map<SpdyStream, number>();
  readonly #port: StreamPort;
  #lastStreamId = 0;
  #refused = 0;
  #peerUsesWindows = false;
  #initialWindow = DEFAULT_WINDOW;
  #ending = false;

  /** @param socket Bytes that follow the 101 answer. The connection owns it. */
  constructor(socket: Duplex, options: SpdyServerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#port = {
      send: (stream, data, fin, done) => this.#send(stream, data, fin, done),
      consumed: (stream, size) => this.#consumed(stream, size),
      closed: (stream, reset) => this.#streamClosed(stream, reset),
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#abandonAll();
      resolve();
    });
    void this.#read();
  }

  /** Ends the connection in good order: what was written arrives, then the peer hangs up, or we do. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    if (!this.#ending) {
      this.#ending = true;
      this.#socket.write(goAway(this.#lastStreamId, GoAwayStatus.OK));
      this.#socket.end();
    }
    const timer = setTimeout(() => this.destroy(), LINGER_MS);
    await this.closed;
    clearTimeout(timer);
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  // Reading

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        hold(chunk);
        for (const frame of this.#parser.feed(chunk)) {
          const wait = this.#handle(frame);
          if (wait !== undefined) await wait;
        }
        giveBack(chunk);
      }
      this.#peerEnded();
    } catch (error) {
      if (error instanceof SpdyError && !this.#socket.destroyed) {
        this.#socket.write(goAway(this.#lastStreamId, GoAwayStatus.PROTOCOL_ERROR));
      }
      this.destroy();
    }
  }

  /** Clients do not half-close a connection: one that ends has gone. */
  #peerEnded(): void {
    this.#abandonAll();
    if (!this.#socket.writableEnded) this.#socket.end();
    if (this.#socket.writableLength === 0) this.destroy();
    else this.#socket.once("finish", () => this.destroy());
  }

  #handle(frame: Frame): Promise<void> | undefined {
    switch (frame.kind) {
      case "data":
        return this.#receive(frame.streamId, frame.data, frame.fin);
      case "syn_stream":
        return this.#open(frame);
      case "rst_stream":
        this.#streams.get(frame.streamId)?.abandon();
        return undefined;
      case "ping":
        // Ours would be even; we send none.
        return frame.id % 2 === 1 ? this.#answer(ping(frame.id)) : undefined;
      case "settings":
        if (frame.initialWindow !== undefined) this.#setInitialWindow(frame.initialWindow);
        return undefined;
      case "window_update":
        this.#windowGrew(frame.streamId, frame.delta);
        return undefined;
      case "headers":
      case "syn_reply":
        // Nobody asks for them, but the compression's state goes on with them.
        this.#headerReader.read(frame.headers);
        return undefined;
      case "goaway":
        return undefined;
    }
  }

  #receive(streamId: number, data: Buffer, fin: boolean): Promise<void> | undefined {
    const stream = this.#streams.get(streamId);
    if (data.length > 0) {
      this.#options.onData?.();
      hold(data);
    }
    if (stream !== undefined) return stream.deliver(data, fin);
    if (streamId > this.#lastStreamId) throw new SpdyError(`data for no stream: ${streamId}`);
    return undefined; // it was closed a moment ago
  }

  #open(frame: Frame & { readonly kind: "syn_stream" }): Promise<void> | undefined {
    const { streamId } = frame;
    const headers = this.#headerReader.read(frame.headers);
    if (streamId % 2 === 0 || streamId <= this.#lastStreamId) {
      throw new SpdyError(`a new stream with the number ${streamId}`);
    }
    this.#lastStreamId = streamId;
    if (this.#ending || this.#socket.destroyed) return undefined;
    const stream = new SpdyStream(streamId, headers, this.#initialWindow, this.#port);
    this.#streams.set(streamId, stream);
    if (this.#streams.size > this.#options.maxStreams || !this.#options.accept(stream)) {
      stream.abandon();
      if (++this.#refused > this.#options.maxStreams + MAX_REFUSED) {
        throw new SpdyError(`${this.#refused} streams that were refused`);
      }
      return this.#answer(rstStream(streamId, ResetStatus.REFUSED_STREAM));
    }
    const wait = this.#answer(synReply(streamId, this.#headerWriter.write(new Map())));
    if (frame.fin) stream.deliver(Buffer.alloc(0), true);
    return wait;
  }

  // Writing

  /** Sends what answers a frame; waits while too many answers are unsent. */
  #answer(frame: Buffer): Promise<void> | undefined {
    if (!this.#socket.writable) return undefined;
    this.#socket.write(frame);
    if (this.#socket.writableLength < MAX_UNSENT) return undefined;
    return once(this.#socket, "drain").then(() => {});
  }

  #send(stream: SpdyStream, data: Uint8Array, fin: number, done: (error?: Error) => void): void {
    if (!this.#socket.writable || stream.destroyed) return done(new Error("it is closed"));
    const size = Math.min(data.length, MAX_FRAME, this.#allowance(stream));
    if (size === 0 && data.length > 0) {
      this.#unsent.set(stream, () => this.#send(stream, data, fin, done));
      return;
    }
    const last = size === data.length;
    stream.window -= size;
    if (size > 0) this.#options.onData?.();
    // Once the frame is on its way: a stream has one at a time, so that streams take turns.
    const sent = (error?: Error | null) => {
      if (last || error) done(error ?? undefined);
      else this.#send(stream, data.subarray(size), fin, done);
    };
    const head = dataHead(stream.id, size, last && fin === 1 ? FLAG_FIN : 0);
    if (size === 0) return void this.#socket.write(head, sent);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(last ? data : data.subarray(0, size), sent);
    this.#socket.uncork();
  }

  #allowance(stream: SpdyStream): number {
    return this.#peerUsesWindows ? Math.max(0, stream.window) : MAX_FRAME;
  }

  // Windows

  #windowGrew(streamId: number, delta: number): void {
    this.#peerUsesWindows = true;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.window += delta;
    if (stream.window > MAX_STREAM_ID) throw new SpdyError(`the window of stream ${streamId}`);
    this.#resume(stream);
  }

  #setInitialWindow(size: number): void {
    if (size > MAX_STREAM_ID) throw new SpdyError(`an initial window of ${size}`);
    this.#peerUsesWindows = true;
    for (const stream of this.#streams.values()) {
      stream.window += size - this.#initialWindow;
      this.#resume(stream);
    }
    this.#initialWindow = size;
  }

  #resume(stream: SpdyStream): void {
    const go = this.#unsent.get(stream);
    if (go === undefined || stream.window <= 0) return;
    this.#unsent.delete(stream);
    go();
  }

  #consumed(stream: SpdyStream, size: number): void {
    const total = (this.#untold.get(stream) ?? 0) + size;
    if (total < UPDATE_STEP) {
      this.#untold.set(stream, total);
      return;
    }
    this.#untold.delete(stream);
    if (this.#socket.writable) this.#socket.write(windowUpdate(stream.id, total));
  }

  // Ends

  #streamClosed(stream: SpdyStream, reset: boolean): void {
    this.#streams.delete(stream.id);
    this.#untold.delete(stream);
    this.#unsent.delete(stream);
    if (reset && this.#socket.writable) {
      this.#socket.write(rstStream(stream.id, ResetStatus.CANCEL));
    }
  }

  #abandonAll(): void {
    for (const stream of Array.from(this.#streams.values())) stream.abandon();
  }
}
