import { Buffer } from "node:buffer";
import { ownCopy, parsePax, type PaxRecords, withPax } from "./pax.ts";
import {
  badArchive,
  BLOCK,
  isZeroBlock,
  marked,
  parseHeader,
  type TarHeader,
} from "./tar_header.ts";

/** A header that belongs to the next entry may be so long; a hostile one would fill the memory. */
const MAX_META_BYTES = 1024 * 1024;

const NO_RECORDS: PaxRecords = new Map();

/** What an archive consists of, in the order of its bytes. */
export interface TarVisitor {
  /** Bytes of the archive that are no file's content: headers, padding, the end. */
  raw(bytes: Uint8Array): void;
  /** An entry begins; its headers have been given to `raw`. */
  entry(header: TarHeader): void;
  /** Content of the entry, in pieces. */
  content(bytes: Uint8Array): void;
  /** All of the entry's content has been given. */
  endOfEntry(): void;
}

type State = "header" | "meta" | "content" | "padding" | "end";

/**
 * Reads an archive that arrives in pieces of any size. Everything is synchronous and nothing is
 * copied but what falls between two pieces.
 */
export class TarReader {
  readonly #visitor: TarVisitor;
  #state: State = "header";
  /** Bytes that are missing of the present header, content or padding. */
  #missing = BLOCK;
  #padding = 0;
  readonly #block = new Uint8Array(BLOCK);
  #meta: Uint8Array[] = [];
  #metaHeader: TarHeader | undefined;
  #local: PaxRecords = NO_RECORDS;
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor;
  }

  /** @throws {CridError} `invalid_argument` for a broken archive. */
  write(chunk: Uint8Array): void {
    // Pieces of a Buffer would be Buffers, which are dearer to make.
    const data = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < data.length) {
      const length = Math.min(this.#missing, data.length - at);
      const piece = data.subarray(at, at + length);
      at += length;
      switch (this.#state) {
        case "header":
          this.#header(piece);
          break;
        case "meta":
          this.#metaContent(piece);
          break;
        case "content":
          this.#missing -= length;
          this.#visitor.content(piece);
          if (this.#missing === 0) {
            this.#visitor.endOfEntry();
            this.#expectPadding();
          }
          break;
        case "padding":
          this.#missing -= length;
          this.#visitor.raw(piece);
          if (this.#missing === 0) this.#expectHeader();
          break;
        case "end":
          this.#visitor.raw(piece);
          break;
      }
    }
  }

  /** The archive is over. @throws {CridError} `invalid_argument` when it is cut off. */
  finish(): void {
    const between = this.#state === "header" && this.#missing === BLOCK &&
      this.#metaHeader === undefined;
    // Archives without the two zero blocks exist; Go reads them, too.
    if (this.#state !== "end" && !between) throw badArchive("it is cut off");
  }

  #header(piece: Uint8Array): void {
    let block = piece;
    if (piece.length < BLOCK) {
      this.#block.set(piece, BLOCK - this.#missing);
      this.#missing -= piece.length;
      if (this.#missing > 0) return;
      block = this.#block;
    }
    if (isZeroBlock(block)) {
      this.#visitor.raw(block);
      this.#state = "end";
      this.#missing = Infinity;
      return;
    }
    const header = parseHeader(block);
    this.#visitor.raw(block);
    if (isMeta(header)) {
      if (header.size > MAX_META_BYTES) throw badArchive("an extended header is too long");
      this.#metaHeader = header;
      this.#begin("meta", header.size);
      if (header.size === 0) this.#endOfMeta();
      return;
    }
    this.#entry(header);
  }

  #entry(plain: TarHeader): void {
    let header = withPax(plain, this.#local);
    if (this.#longName !== undefined) header = { ...header, name: this.#longName };
    if (this.#longLink !== undefined) header = { ...header, linkName: this.#longLink };
    header = marked(header);
    this.#local = NO_RECORDS;
    this.#longName = this.#longLink = undefined;
    this.#metaHeader = undefined;
    this.#visitor.entry(header);
    this.#begin("content", header.size);
    if (header.size > 0) return;
    this.#visitor.endOfEntry();
    this.#expectHeader();
  }

  #metaContent(piece: Uint8Array): void {
    this.#visitor.raw(piece);
    this.#meta.push(piece.slice());
    this.#missing -= piece.length;
    if (this.#missing === 0) this.#endOfMeta();
  }

  #endOfMeta(): void {
    const text = Buffer.concat(this.#meta).toString("latin1");
    this.#meta = [];
    switch (this.#metaHeader?.kind) {
      case "pax":
        this.#local = parsePax(text);
        break;
      case "pax-global":
        this.#metaHeader = undefined;
        break;
      case "gnu-name":
        this.#longName = ownCopy(untilNul(text));
        break;
      case "gnu-link":
        this.#longLink = ownCopy(untilNul(text));
        break;
    }
    this.#expectPadding();
  }

  #begin(state: "meta" | "content", size: number): void {
    this.#state = state;
    this.#missing = size;
    this.#padding = (BLOCK - size % BLOCK) % BLOCK;
  }

  #expectPadding(): void {
    if (this.#padding === 0) return this.#expectHeader();
    this.#state = "padding";
    this.#missing = this.#padding;
  }

  #expectHeader(): void {
    this.#state = "header";
    this.#missing = BLOCK;
  }
}

function isMeta({ kind }: TarHeader): boolean {
  return kind === "pax" || kind === "pax-global" || kind === "gnu-name" || kind === "gnu-link";
}

function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
