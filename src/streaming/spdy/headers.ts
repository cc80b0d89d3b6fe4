import { Buffer } from "node:buffer";
import { constants, inflateSync } from "node:zlib";
import { DICTIONARY } from "./dictionary.ts";
import { SpdyError } from "./errors.ts";

/** Names in lower case; a value may have several parts, separated by NUL. */
export type Headers = ReadonlyMap<string, string>;

/** What a header block may come to, so that a small frame cannot fill the memory. */
const MAX_PLAIN = 64 * 1024;
const MAX_HEADERS = 64;
/** How far back deflate refers. */
const WINDOW = 32 * 1024;
/** RFC 1950: deflate with a window of 32 kB, and the checksum of a dictionary to follow. */
const ZLIB_DICTIONARY_HEAD = [0x78, 0x20, 0, 0, 0, 0];

/**
 * Decompresses the header blocks of one direction of a connection, which are one zlib stream. Every
 * block ends with a sync flush, so each is inflated by itself, with the plain text before it as its
 * dictionary: nothing waits for a thread, and the limit holds before the memory is taken.
 */
export class HeaderReader {
  #window: Buffer = DICTIONARY;
  #begun = false;

  /** @throws {SpdyError} For blocks that are no headers, or too large. */
  read(block: Buffer): Headers {
    const plain = this.#inflate(this.#begun ? block : withoutHead(block));
    this.#begun = true;
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW);
    return parseHeaders(plain);
  }

  #inflate(block: Buffer): Buffer {
    const head = Buffer.from(ZLIB_DICTIONARY_HEAD);
    head.writeUInt32BE(adler32(this.#window), 2);
    try {
      return inflateSync(Buffer.concat([head, block]), {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MAX_PLAIN,
      });
    } catch (cause) {
      throw new SpdyError("headers that cannot be decompressed, or are too large", { cause });
    }
  }
}

/** The head of the stream: two bytes, and the checksum of the dictionary if it says so. */
function withoutHead(block: Buffer): Buffer {
  const usesDictionary = ((block[1] ?? 0) & 0x20) !== 0;
  return block.subarray(usesDictionary ? 6 : 2);
}

/** So many bytes can be summed before a sum leaves 32 bits. */
const SUMMED = 3800;

/** RFC 1950, section 8. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(at + SUMMED, bytes.length);
    for (; at < end; at++) {
      a += bytes[at]!;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
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
