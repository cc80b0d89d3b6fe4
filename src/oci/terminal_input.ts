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

  /** @param pipe The session's stdin. */
  constructor(pipe: Writable) {
    super();
    this.#pipe = pipe;
    this.on("error", () => {});
    pipe.on("error", () => {});
    pipe.once("close", () => this.destroy());
  }

  /** Sends a size; one of a flood that does not fit is dropped. */
  resize({ width, height }: TerminalSize): void {
    if (this.#pipe.destroyed || this.#pipe.writableNeedDrain) return;
    this.#pipe.write(frame(SIZE, Buffer.from(`${width} ${height}`)));
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    for (let at = 0; at < data.length; at += MAX_FRAME) {
      const last = at + MAX_FRAME >= data.length;
      this.#pipe.write(frame(INPUT, data.subarray(at, at + MAX_FRAME)), last ? done : undefined);
    }
  }
}

function frame(kind: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(kind, payload.length >> 8, payload.length & 0xff), payload]);
}
