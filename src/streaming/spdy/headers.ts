import { Buffer } from "node:buffer";
import { constants, createInflate, type Inflate } from "node:zlib";
import { DICTIONARY } from "./dictionary.ts";
import { SpdyError } from "./errors.ts";

/** Names in lower case; a value may have several parts, separated by NUL. */
export type Headers = ReadonlyMap<string, string>;

/** What a header block may come to, so that a small frame cannot fill the memory. */
const MAX_PLAIN = 64 * 1024;
const MAX_HEADERS = 64;
/** Of inflated bytes at a time. */
const CHUNK = 4096;

/** Decompresses the header blocks of one direction of a connection, which are one zlib stream. */
export class HeaderReader implements Disposable {
  #inflate: Inflate | undefined;

  /** @throws {SpdyError} For blocks that are no headers, or too large. */
  async read(block: Buffer): Promise<Headers> {
    this.#inflate ??= createInflate({ dictionary: DICTIONARY, chunkSize: CHUNK });
    return parseHeaders(await inflate(this.#inflate, block));
  }

  [Symbol.dispose](): void {
    this.#inflate?.destroy();
  }
}

function inflate(stream: Inflate, block: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_PLAIN) failed(new SpdyError(`headers of more than ${MAX_PLAIN} bytes`));
  };
  const failed = (error: Error) => {
    stop();
    stream.destroy();
    reject(
      error instanceof SpdyError ? error : new SpdyError(`compressed headers: ${error.message}`),
    );
  };
  const onClose = () => failed(new SpdyError("the connection is closed"));
  const stop = () => {
    stream.off("data", onData).off("error", failed).off("close", onClose);
    // One that was destroyed while it worked may still complain.
    stream.on("error", () => {});
  };
  stream.on("data", onData).on("error", failed).on("close", onClose);
  stream.write(block);
  stream.flush(constants.Z_SYNC_FLUSH, () => {
    stop();
    resolve(Buffer.concat(chunks));
  });
  return promise;
}

/** Section 2.6.10: a count, then names and values with their lengths. */
export function parseHeaders(bytes: Buffer): Headers {
  let at = 0;
  const word = () => {
    if (at + 4 > bytes.length) throw new SpdyError("headers that are too short");
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = () => {
    const size = word();
    if (at + size > bytes.length) throw new SpdyError("headers that are too short");
    at += size;
    return bytes.toString("utf8", at - size, at);
  };
  const count = word();
  if (count > MAX_HEADERS) throw new SpdyError(`${count} headers`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    if (name === "" || headers.has(name)) throw new SpdyError(`header ${JSON.stringify(name)}`);
    headers.set(name, text());
  }
  return headers;
}

/** The inverse of {@linkcode parseHeaders}. */
export function formatHeaders(headers: Headers): Buffer {
  const parts = [uint32(headers.size)];
  for (const entry of headers) {
    for (const text of entry) parts.push(uint32(Buffer.byteLength(text)), Buffer.from(text));
  }
  return Buffer.concat(parts);
}

/**
 * Writes the header blocks of one direction of a connection. They are a proper zlib stream of stored
 * blocks: a server's are all empty, and compressing would only cost memory.
 */
export class HeaderWriter {
  #begun = false;

  write(headers: Headers): Buffer {
    const plain = formatHeaders(headers);
    if (plain.length > MAX_PLAIN - 1) throw new RangeError("headers are too large");
    const head = this.#begun ? EMPTY : ZLIB_HEAD;
    this.#begun = true;
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(~plain.length & 0xffff, 3);
    return Buffer.concat([head, stored, plain, FLUSH]);
  }
}

const EMPTY = Buffer.alloc(0);
/** RFC 1950: deflate with a window of 32 kB, no dictionary. */
const ZLIB_HEAD = Buffer.from([0x78, 0x01]);
/** An empty stored block, as after a sync flush: Go's reader gives out nothing before it. */
const FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff]);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
