import { Buffer } from "node:buffer";
import { createWriteStream, openSync } from "node:fs";
import { constants, createGzip } from "node:zlib";
import { pipeline } from "node:stream/promises";

/** Text is handed to the compressor in pieces of about this size. */
const BATCH = 256 * 1024;
/** Bytes between two files' contents are headers and padding, and seldom more than this. */
const RAW_BYTES = 8 * 1024;
/** Names in which every byte is a letter of itself, in JSON, too. */
const PLAIN_NAME = /^[ !#-[\]-~]*$/;

const encoder = new TextEncoder();

/**
 * Writes down how to put a layer's archive together again, byte for byte: the bytes between the
 * files' contents, and each file's name, size and checksum (vbatts/tar-split, JSON lines, gzip).
 *
 * Bytes and text are gathered in buffers, not in objects: there would be some for each file, and the
 * garbage collector would move them about until the next batch.
 */
export class TarSplitWriter {
  #position = 0;
  #raw = Buffer.allocUnsafeSlow(RAW_BYTES);
  #rawBytes = 0;
  #text = new Uint8Array(BATCH);
  #textBytes = 0;
  readonly #gzip = createGzip({ level: constants.Z_BEST_SPEED });
  readonly #written: Promise<void>;

  constructor(path: string) {
    // Opened at once: whoever gives up removes the directory, in which nothing may appear later.
    const fd = openSync(path, "w", 0o600);
    this.#written = pipeline(this.#gzip, createWriteStream(path, { fd }));
    // It is waited for at the end; until then a full disk must not end the isolate.
    this.#written.catch(() => {});
  }

  /** Bytes of the archive that are no file's content. */
  raw(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += BATCH) {
      const piece = bytes.length <= BATCH ? bytes : bytes.subarray(at, at + BATCH);
      const end = this.#rawBytes + piece.length;
      if (end > this.#raw.length) this.#growRaw(end);
      this.#raw.set(piece, this.#rawBytes);
      this.#rawBytes = end;
      if (end >= BATCH) this.#flushRaw();
    }
  }

  /**
   * One entry, with its content if it has any.
   *
   * @param name As in the archive, one character for each byte.
   * @param checksum CRC-64 of the content, base64; `null` without content.
   */
  file(name: string, size: number, checksum: string | null): void {
    this.#flushRaw();
    const sized = size === 0 ? "" : `"size":${size},`;
    const payload = checksum === null ? "null" : `"${checksum}"`;
    this.#write(
      `{"type":1,${namedAs(name)},${sized}"payload":${payload},"position":${this.#position++}}\n`,
    );
  }

  /** Resolves when the writer can take more; keeps what waits for the disk small. */
  async drained(): Promise<void> {
    if (!this.#gzip.writableNeedDrain) return;
    const drained = new Promise<void>((resolve) => this.#gzip.once("drain", resolve));
    await Promise.race([drained, this.#written]);
  }

  /** Writes the rest. @throws When the file cannot be written. */
  async finish(): Promise<void> {
    this.#flushRaw();
    this.#gzip.end(this.#text.subarray(0, this.#textBytes));
    await this.#written;
  }

  /** Gives up; the file is left to whoever removes the staging directory. */
  abort(): void {
    this.#gzip.destroy();
  }

  #growRaw(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#raw.length));
    larger.set(this.#raw.subarray(0, this.#rawBytes));
    this.#raw = larger;
  }

  #flushRaw(): void {
    if (this.#rawBytes === 0) return;
    const payload = this.#raw.toString("base64", 0, this.#rawBytes);
    this.#rawBytes = 0;
    this.#write(`{"type":2,"position":${this.#position++},"payload":"`);
    this.#write(payload);
    this.#write('"}\n');
  }

  #write(text: string): void {
    // UTF-8 has at most three bytes for one of UTF-16's units.
    const most = 3 * text.length;
    if (most > this.#text.length - this.#textBytes) this.#flushText(most);
    this.#textBytes += encoder.encodeInto(text, this.#text.subarray(this.#textBytes)).written;
  }

  #flushText(next: number): void {
    if (this.#textBytes > 0) this.#gzip.write(this.#text.subarray(0, this.#textBytes));
    this.#text = new Uint8Array(Math.max(BATCH, next));
    this.#textBytes = 0;
  }
}

/** The member of a line that has the name: as text where it is UTF-8, otherwise its bytes. */
function namedAs(name: string): string {
  if (PLAIN_NAME.test(name)) return `"name":"${name}"`;
  const bytes = Buffer.from(name, "latin1");
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes)
    ? `"name":${JSON.stringify(text)}`
    : `"name_raw":"${bytes.toString("base64")}"`;
}
