import { Buffer } from "node:buffer";
import { createWriteStream } from "node:fs";
import { constants, createGzip } from "node:zlib";
import { pipeline } from "node:stream/promises";

/** Text is handed to the compressor in pieces of about this size. */
const BATCH = 256 * 1024;

/**
 * Writes down how to put a layer's archive together again, byte for byte: the bytes between the
 * files' contents, and each file's name, size and checksum (vbatts/tar-split, JSON lines, gzip).
 */
export class TarSplitWriter {
  #position = 0;
  #raw: Uint8Array[] = [];
  #rawBytes = 0;
  #text = "";
  readonly #gzip = createGzip({ level: constants.Z_BEST_SPEED });
  readonly #written: Promise<void>;

  constructor(path: string) {
    this.#written = pipeline(this.#gzip, createWriteStream(path, { mode: 0o600 }));
    // It is waited for at the end; until then a full disk must not end the isolate.
    this.#written.catch(() => {});
  }

  /** Bytes of the archive that are no file's content. */
  raw(bytes: Uint8Array): void {
    this.#raw.push(bytes.slice());
    this.#rawBytes += bytes.length;
    if (this.#rawBytes >= BATCH) this.#flushRaw();
  }

  /**
   * One entry, with its content if it has any.
   *
   * @param name As in the archive, one character for each byte.
   * @param checksum CRC-64 of the content, base64; `null` without content.
   */
  file(name: string, size: number, checksum: string | null): void {
    this.#flushRaw();
    const bytes = Buffer.from(name, "latin1");
    const text = bytes.toString();
    const named = Buffer.from(text).equals(bytes)
      ? { name: text }
      : { name_raw: bytes.toString("base64") };
    this.#line({
      type: 1,
      ...named,
      ...(size === 0 ? {} : { size }),
      payload: checksum,
      position: this.#position++,
    });
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
    this.#gzip.end(this.#text);
    await this.#written;
  }

  /** Gives up; the file is left to whoever removes the staging directory. */
  abort(): void {
    this.#gzip.destroy();
  }

  #flushRaw(): void {
    if (this.#rawBytes === 0) return;
    const payload = Buffer.concat(this.#raw).toString("base64");
    this.#raw = [];
    this.#rawBytes = 0;
    this.#line({ type: 2, payload, position: this.#position++ });
  }

  #line(entry: Readonly<Record<string, unknown>>): void {
    this.#text += JSON.stringify(entry) + "\n";
    if (this.#text.length < BATCH) return;
    this.#gzip.write(this.#text);
    this.#text = "";
  }
}
