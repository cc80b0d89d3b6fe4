import { Buffer } from "node:buffer";
import { Transform } from "node:stream";

const CTRL_P = 0x10;
const CTRL_Q = 0x11;

/**
 * Input of an attached terminal in which ctrl-p ctrl-q means to leave: it then ends, and calls
 * `detach`. A ctrl-p is held back until the next key tells.
 */
export class DetachKeys extends Transform {
  readonly #detach: () => void;
  #held = false;

  constructor(detach: () => void) {
    super();
    this.#detach = detach;
  }

  override _transform(data: Buffer, _encoding: string, done: () => void): void {
    const bytes = this.#held ? Buffer.concat([Buffer.of(CTRL_P), data]) : data;
    this.#held = false;
    const keys = bytes.indexOf(Buffer.of(CTRL_P, CTRL_Q));
    if (keys >= 0) {
      this.push(bytes.subarray(0, keys));
      this.#detach();
    } else if (bytes.at(-1) === CTRL_P) {
      this.#held = true;
      this.push(bytes.subarray(0, -1));
    } else this.push(bytes);
    done();
  }

  override _flush(done: () => void): void {
    if (this.#held) this.push(Buffer.of(CTRL_P));
    done();
  }
}
