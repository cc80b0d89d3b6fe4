import { Buffer } from "node:buffer";
import type { Chunk } from "../blob_stream.ts";
import { CridError } from "../../failure/mod.ts";

const BLOCK = 512;
/** What eleven octal digits hold. */
const MAX_OCTAL = 8 * 1024 ** 3 - 1;

/** Takes the bytes of an archive in their order. */
export type Sink = (bytes: Uint8Array) => Promise<void>;

/** Writes an archive of plain files and directories, the same bytes for the same content. */
export class TarWriter {
  readonly #write: Sink;
  readonly #directories = new Set<string>();

  constructor(write: Sink) {
    this.#write = write;
  }

  /** A file whose size is known; the directories above it come first. */
  async file(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#parents(name);
    await this.#write(header(name, size, "0", 0o444));
    let written = 0;
    for await (const chunk of content) {
      written += chunk.length;
      await this.#write(chunk);
    }
    if (written !== size) {
      throw new CridError("internal", `write ${name}: ${written} bytes in place of ${size}`);
    }
    const padding = (BLOCK - size % BLOCK) % BLOCK;
    if (padding > 0) await this.#write(new Uint8Array(padding));
  }

  /** A small file. */
  async text(name: string, content: Uint8Array | string): Promise<void> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await this.file(name, bytes.length, once(bytes));
  }

  /** Nothing follows. */
  async end(): Promise<void> {
    await this.#write(new Uint8Array(2 * BLOCK));
  }

  async #parents(name: string): Promise<void> {
    for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
      const directory = name.slice(0, at + 1);
      if (this.#directories.has(directory)) continue;
      this.#directories.add(directory);
      await this.#write(header(directory, 0, "5", 0o755));
    }
  }
}

/** A sequence of one chunk. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Chunk> {
  yield bytes.slice();
}

/** POSIX ustar; what is larger than eight gibibytes has its size in base 256, as GNU tar writes it. */
function header(name: string, size: number, type: string, mode: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, "latin1");
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (size <= MAX_OCTAL) octal(size, 124, 12);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(0, 136, 12);
  block.write(type, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
