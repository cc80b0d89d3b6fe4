import { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import type { TerminalSize } from "./command_streams.ts";

/** The length of a frame is 16 bits. */
const MAX_FRAME = 0x8000;
const INPUT = "i".charCodeAt(0);
const SIZE = "s".charCodeAt(0);

/**
 * Input for a command on a terminal, and the terminal's sizes, as frames for the native session. The
 * end of the input is nothing to a terminal; the end of `pipe` hangs it up.
 */
export class TerminalInput extends Writable {
  readonly #pipe: Writable;
  /** The size that the pipe had no room for yet. */
  #latest: TerminalSize | undefined;

  /** @param pipe The session's stdin. */
  constructor(pipe: Writable) {
    super();
    this.#pipe = pipe;
    this.on("error", () => {});
    pipe.on("error", () => {});
    pipe.once("close", () => this.destroy());
  }

  /** Sends a size; of a flood that does not fit only the last. */
  resize(size: TerminalSize): void {
    const waits = this.#latest !== undefined;
    this.#latest = size;
    if (!waits) this.#sendSize();
  }

  #sendSize(): void {
    if (this.#pipe.writableNeedDrain) {
      this.#pipe.once("drain", () => this.#sendSize());
      return;
    }
    const { width, height } = this.#latest!;
    this.#latest = undefined;
    if (!this.#pipe.destroyed) this.#pipe.write(frame(SIZE, Buffer.from(`${width} ${height}`)));
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    let at = 0;
    for (; at + MAX_FRAME < data.length; at += MAX_FRAME) {
      this.#pipe.write(frame(INPUT, data.subarray(at, at + MAX_FRAME)));
    }
    this.#pipe.write(frame(INPUT, data.subarray(at)), done);
  }
}

function frame(kind: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(kind, payload.length >> 8, payload.length & 0xff), payload]);
}
