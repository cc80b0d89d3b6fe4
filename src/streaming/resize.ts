import type { Readable } from "node:stream";
import type { TerminalSize } from "../oci/mod.ts";

/** A size as text is some 30 bytes; one that is longer is none. */
const MAX_TEXT = 1024;
/** The kernel keeps sizes in 16 bits. */
const MAX_SIZE = 0xffff;

/** Finds the JSON objects `{"Width":…,"Height":…}` in a stream, which cuts them anywhere. */
export class ResizeParser {
  #text = "";
  readonly #decoder = new TextDecoder();

  /** The sizes that `bytes` completes; what is no size is skipped. */
  feed(bytes: Uint8Array): TerminalSize[] {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const sizes: TerminalSize[] = [];
    for (let end = this.#text.indexOf("}"); end >= 0; end = this.#text.indexOf("}")) {
      const size = parseSize(this.#text.slice(0, end + 1));
      if (size !== undefined) sizes.push(size);
      this.#text = this.#text.slice(end + 1);
    }
    if (this.#text.length > MAX_TEXT) this.#text = "";
    return sizes;
  }
}

/** Calls `resize` for each size that comes; of those that come at once only for the last. */
export function followSizes(stream: Readable, resize: (size: TerminalSize) => void): void {
  const parser = new ResizeParser();
  stream.on("data", (bytes: Uint8Array) => {
    const last = parser.feed(bytes).at(-1);
    if (last !== undefined) resize(last);
  });
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text.slice(text.indexOf("{")));
    return isSize(Width) && isSize(Height) ? { width: Width, height: Height } : undefined;
  } catch {
    return undefined;
  }
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= MAX_SIZE;
}
