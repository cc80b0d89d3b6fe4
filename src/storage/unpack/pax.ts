import { Buffer } from "node:buffer";
import { badArchive, MAX_OWNER, shown, type TarHeader } from "./tar_header.ts";

/** Records of PAX headers by keyword; bytes, one character each. */
export type PaxRecords = ReadonlyMap<string, string>;

const XATTR = "SCHILY.xattr.";
/** Attributes that the host decides on, and those by which overlay finds its way between layers. */
const IGNORED_XATTRS = /^(security\.selinux$|trusted\.overlay\.|user\.overlay\.)/;

/**
 * Reads `<length> <keyword>=<value>\n` records (POSIX pax).
 *
 * @param data One character for each byte.
 * @throws {CridError} `invalid_argument`.
 */
export function parsePax(data: string): PaxRecords {
  const records = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(" ", at);
    const digits = space < 0 ? "" : data.slice(at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = data.indexOf("=", space);
    if (
      length === 0 || end > data.length || equals < 0 || equals >= end || data[end - 1] !== "\n"
    ) {
      throw badArchive("a PAX header is not a list of records");
    }
    records.set(data.slice(space + 1, equals), data.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/**
 * A header with what extended headers say of it. Global ones are not among them: nobody else who
 * unpacks layers heeds those.
 *
 * @throws {CridError} `invalid_argument` for a value of the wrong form, and for GNU's sparse files.
 */
export function withPax(header: TarHeader, records: PaxRecords): TarHeader {
  if (records.size === 0) return header;
  const xattrs = new Map<string, string>();
  const changed: { -readonly [K in keyof TarHeader]?: TarHeader[K] } = {};
  for (const [key, value] of records) {
    // Says that nothing is said. An attribute may be empty.
    if (value === "" && !key.startsWith(XATTR)) continue;
    switch (key) {
      case "path":
        changed.name = name(value);
        break;
      case "linkpath":
        changed.linkName = name(value);
        break;
      case "size":
        if (header.kind === "file" || header.kind === "unmarked") changed.size = whole(key, value);
        break;
      case "uid":
        changed.uid = whole(key, value, MAX_OWNER);
        break;
      case "gid":
        changed.gid = whole(key, value, MAX_OWNER);
        break;
      case "mtime":
        Object.assign(changed, time(value));
        break;
      default:
        if (key.startsWith("GNU.sparse.")) {
          throw badArchive(
            `entry ${shown(header.name)} is a sparse file, which crid cannot unpack`,
          );
        }
        if (key.startsWith(XATTR)) {
          const attribute = key.slice(XATTR.length);
          if (!IGNORED_XATTRS.test(attribute)) xattrs.set(attribute, value);
        }
    }
  }
  return { ...header, ...changed, xattrs };
}

function name(value: string): string {
  if (value.includes("\0")) throw badArchive("a path in a PAX header holds a NUL byte");
  return ownCopy(value);
}

/**
 * A text that stands for itself. V8 lets a part of a text hold on to the whole, which may be a
 * megabyte of nothing for each of many short names.
 *
 * @param text One character for each byte.
 */
export function ownCopy(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

function whole(key: string, value: string, most = Number.MAX_SAFE_INTEGER): number {
  if (/^\d+$/.test(value) && Number(value) <= most) return Number(value);
  throw badArchive(`the ${key} in a PAX header is no number, or out of range`);
}

function time(value: string): { mtime: number; mtimeNanoseconds: number } {
  const [, sign = "", seconds = "", fraction = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value) ??
    [];
  if (seconds === "") throw badArchive("the mtime in a PAX header is no time");
  const nanoseconds = Number(fraction.padEnd(9, "0").slice(0, 9));
  if (sign === "") return { mtime: Number(seconds), mtimeNanoseconds: nanoseconds };
  return nanoseconds === 0
    ? { mtime: -Number(seconds), mtimeNanoseconds: 0 }
    : { mtime: -Number(seconds) - 1, mtimeNanoseconds: 1_000_000_000 - nanoseconds };
}
