/**
 * A tar writer for test layers. It writes what it is told, hostile names included, so that layers no
 * honest tool would make can be tested too.
 *
 * @module
 */

/** One entry of a layer. Owner 0:0 and {@linkcode EPOCH} unless said otherwise. */
export interface TarEntry {
  /** As it stands in the archive: `bin/sh`, or anything else. */
  readonly path: string;
  readonly type: "file" | "dir" | "hardlink" | "symlink" | "char" | "block" | "fifo";
  /** Permission bits with set-id and sticky bits. Default 0755 for directories, 0644 otherwise. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds. */
  readonly mtime?: number;
  /** Of a `"file"`. */
  readonly content?: Uint8Array;
  /** Of a `"hardlink"` or `"symlink"`. */
  readonly target?: string;
  /** Of `"char"` and `"block"`. */
  readonly device?: readonly [major: number, minor: number];
  /** PAX records of `SCHILY.xattr.`: names without that prefix. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** The time of everything in a test image: nothing in a layer depends on when it was built. */
export const EPOCH = 1_700_000_000;

const BLOCK = 512;
const TYPE_FLAGS = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
} as const;
const encoder = new TextEncoder();

/** The archive in chunks, end marker included. */
export function* tarChunks(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) yield* entryChunks(entry);
  yield new Uint8Array(2 * BLOCK);
}

/** The whole archive. */
export function tar(entries: Iterable<TarEntry>): Uint8Array<ArrayBuffer> {
  const chunks = [...tarChunks(entries)];
  const archive = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    archive.set(chunk, offset);
    offset += chunk.length;
  }
  return archive;
}

function* entryChunks(entry: TarEntry): Generator<Uint8Array> {
  const path = entry.type === "dir" && !entry.path.endsWith("/") ? `${entry.path}/` : entry.path;
  const records = paxRecords(entry, path);
  if (records.length > 0) {
    const body = encoder.encode(records.map(([key, value]) => paxRecord(key, value)).join(""));
    yield header({
      path: `PaxHeaders/${path}`,
      target: "",
      flag: "x",
      mode: 0o644,
      size: body.length,
      entry: { path: "", type: "file" },
    });
    yield body;
    yield padding(body.length);
  }
  const content = entry.type === "file" ? entry.content ?? new Uint8Array() : new Uint8Array();
  yield header({
    path,
    target: entry.target ?? "",
    flag: TYPE_FLAGS[entry.type],
    mode: entry.mode ?? (entry.type === "dir" ? 0o755 : 0o644),
    size: content.length,
    entry,
  });
  if (content.length > 0) {
    yield content;
    yield padding(content.length);
  }
}

/** What does not fit the fixed header: POSIX pax, "pax Extended Header". */
function paxRecords(entry: TarEntry, path: string): [key: string, value: string][] {
  const records: [string, string][] = [];
  if (encoder.encode(path).length > 100) records.push(["path", path]);
  if (encoder.encode(entry.target ?? "").length > 100) records.push(["linkpath", entry.target!]);
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) {
    records.push([`SCHILY.xattr.${name}`, value]);
  }
  return records;
}

/** `"<length> <key>=<value>\n"`, where the length counts its own digits too. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function header(fields: {
  readonly path: string;
  readonly target: string;
  readonly flag: string;
  readonly mode: number;
  readonly size: number;
  readonly entry: TarEntry;
}): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const text = (offset: number, length: number, value: string) =>
    block.set(encoder.encode(value).subarray(0, length), offset);
  const octal = (offset: number, length: number, value: number) =>
    text(offset, length, value.toString(8).padStart(length - 1, "0"));
  text(0, 100, fields.path);
  octal(100, 8, fields.mode);
  octal(108, 8, fields.entry.uid ?? 0);
  octal(116, 8, fields.entry.gid ?? 0);
  octal(124, 12, fields.size);
  octal(136, 12, fields.entry.mtime ?? EPOCH);
  text(148, 8, "        ");
  text(156, 1, fields.flag);
  text(157, 100, fields.target);
  text(257, 8, "ustar\x0000");
  octal(329, 8, fields.entry.device?.[0] ?? 0);
  octal(337, 8, fields.entry.device?.[1] ?? 0);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  text(148, 8, `${checksum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
