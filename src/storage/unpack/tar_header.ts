import { Buffer } from "node:buffer";
import { CridError } from "../../failure/mod.ts";

/** Size of a tar block; headers and content are padded to it. */
export const BLOCK = 512;

/** What an entry is; the last four carry headers of the ones that follow. */
export type EntryKind =
  | "file"
  /** Of an archive from before POSIX, which marks directories by the slash alone. */
  | "unmarked"
  | "hardlink"
  | "symlink"
  | "character"
  | "block"
  | "directory"
  | "fifo"
  | "pax"
  | "pax-global"
  | "gnu-name"
  | "gnu-link";

/** One entry's header. Names are bytes, one character each. */
export interface TarHeader {
  readonly kind: EntryKind;
  readonly name: string;
  readonly linkName: string;
  /** Bytes of content that follow; 0 for kinds without. */
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the Unix epoch. */
  readonly mtime: number;
  readonly mtimeNanoseconds: number;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes of a PAX header; values are bytes, one character each. */
  readonly xattrs: ReadonlyMap<string, string>;
}

const KINDS: Readonly<Record<string, EntryKind>> = {
  "0": "file",
  "\0": "unmarked",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "x": "pax",
  "g": "pax-global",
  "L": "gnu-name",
  "K": "gnu-link",
};

/** Fields of a header: offset and length (POSIX ustar). */
const NAME = [0, 100] as const;
const MODE = [100, 8] as const;
const UID = [108, 8] as const;
const GID = [116, 8] as const;
const SIZE = [124, 12] as const;
const MTIME = [136, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const LINK = [157, 100] as const;
const MAGIC = [257, 8] as const;
const MAJOR = [329, 8] as const;
const MINOR = [337, 8] as const;
const PREFIX = [345, 155] as const;

/** Owners are 32 bits, and the last one means nobody at all. */
export const MAX_OWNER = 0xffff_fffe;

const NO_XATTRS: ReadonlyMap<string, string> = new Map();

/** Refuses an archive. */
export function badArchive(why: string): CridError {
  return new CridError("invalid_argument", `broken layer archive: ${why}`);
}

/** Whether a block is all zeros, as the two that end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * Reads one header block.
 *
 * @throws {CridError} `invalid_argument` for a wrong checksum, a number that is none, a kind of entry
 * that no image has.
 */
export function parseHeader(block: Uint8Array): TarHeader {
  checkSum(block);
  const type = String.fromCharCode(block[TYPE]!);
  const base = text(block, NAME);
  // GNU archives have other things where POSIX has the prefix.
  const prefix = block[PREFIX[0]] !== 0 && text(block, MAGIC) === "ustar"
    ? text(block, PREFIX)
    : "";
  const name = prefix === "" ? base : `${prefix}/${base}`;
  const kind = KINDS[type];
  if (kind === undefined) {
    throw badArchive(
      `entry ${shown(name)} is of type ${JSON.stringify(type)}, which crid cannot unpack`,
    );
  }
  const device = kind === "character" || kind === "block";
  return {
    kind,
    name,
    linkName: text(block, LINK),
    size: hasContent(kind) ? natural(block, SIZE, name) : 0,
    mode: number(block, MODE, name) & 0o7777,
    uid: natural(block, UID, name, MAX_OWNER),
    gid: natural(block, GID, name, MAX_OWNER),
    mtime: number(block, MTIME, name),
    mtimeNanoseconds: 0,
    major: device ? number(block, MAJOR, name) : 0,
    minor: device ? number(block, MINOR, name) : 0,
    xattrs: NO_XATTRS,
  };
}

/** An unmarked entry as what it is, which its whole name tells. */
export function marked(header: TarHeader): TarHeader {
  if (header.kind !== "unmarked") return header;
  if (!header.name.endsWith("/")) return { ...header, kind: "file" };
  return { ...header, kind: "directory", size: 0 };
}

/** A name for a message: as UTF-8, quoted, not too long. */
export function shown(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), "latin1").toString());
}

function hasContent(kind: EntryKind): boolean {
  return kind === "file" || kind === "unmarked" || kind === "pax" || kind === "pax-global" ||
    kind === "gnu-name" ||
    kind === "gnu-link";
}

function checkSum(block: Uint8Array): void {
  const [start, length] = CHECKSUM;
  const stored = number(block, CHECKSUM, "");
  let sum = 0;
  let negative = 0;
  for (let i = 0; i < BLOCK; i++) {
    sum += block[i]!;
    negative += block[i]! & 0x80;
  }
  // The sum counts itself as spaces.
  for (let i = start; i < start + length; i++) {
    sum += 0x20 - block[i]!;
    negative -= block[i]! & 0x80;
  }
  // Some old programs summed signed characters: each of these counted 0x100 less.
  if (stored !== sum && stored !== sum - 2 * negative) {
    throw badArchive("wrong checksum of a header");
  }
}

function text(block: Uint8Array, [start, length]: readonly [number, number]): string {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  if (end === start) return "";
  return Buffer.from(block.buffer, block.byteOffset + start, end - start).toString("latin1");
}

/** Octal text, or GNU's base 256 when the first bit is set. */
function number(
  block: Uint8Array,
  [start, length]: readonly [number, number],
  name: string,
): number {
  const first = block[start]!;
  const value = (first & 0x80) !== 0 ? base256(block, start, length) : octal(block, start, length);
  if (Number.isSafeInteger(value)) return value;
  throw badNumber(name);
}

/** GNU's form of a number has a sign, which a length must not have. */
function natural(
  block: Uint8Array,
  field: readonly [number, number],
  name: string,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = number(block, field, name);
  if (value >= 0 && value <= most) return value;
  throw badNumber(name);
}

function badNumber(name: string): CridError {
  return badArchive(`entry ${shown(name)}: a number in its header is out of range or no number`);
}

function base256(block: Uint8Array, start: number, length: number): number {
  const first = block[start]!;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + block[i]!;
  return value;
}

function octal(block: Uint8Array, start: number, length: number): number {
  let i = start;
  const end = start + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const byte = block[i]!;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) return NaN;
    value = value * 8 + byte - 0x30;
  }
  return value;
}
