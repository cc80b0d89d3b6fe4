/**
 * Writes an executable that carries other files, in the layout of `native/launcher/launcher.h`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";

/** What the launcher does with an entry. */
export const PayloadKind = {
  /** Unpacked under its name. */
  file: 1,
  /** A symbolic link whose target is the content. */
  link: 2,
  /** The ELF program that is started. */
  program: 3,
  /** The ELF loader that the program is linked with. */
  loader: 4,
  /** Arguments put before the user's, each ended by NUL; `%/` is the unpacked directory. */
  arguments: 5,
  /** Environment variables, each ended by NUL; `%/` is the unpacked directory. */
  variables: 6,
} as const;

/** One thing that the executable carries. */
export interface PayloadEntry {
  readonly kind: keyof typeof PayloadKind;
  /** Path below the unpacked directory; at most one directory deep for files. */
  readonly name: string;
  readonly content: Uint8Array;
  readonly mode?: number;
}

const MAGIC = "crid\nv1\n";
const NAME_SIZE = 104;
const ENTRY_SIZE = 128;
const HEADER_SIZE = 56;
const HEADER_ALIGNMENT = 4096;
/** Programs are mapped straight from the file: the largest page size of the supported processors. */
const ALIGNMENT = 65536;

/**
 * Writes `launcher` with `entries` behind it to `path`. The same input gives the same bytes. The
 * last entry ends the file.
 */
export async function writePayload(
  path: string,
  launcher: Uint8Array,
  entries: readonly PayloadEntry[],
): Promise<void> {
  const headerOffset = roundUp(launcher.length, HEADER_ALIGNMENT);
  const { offsets, size } = place(entries, headerOffset + HEADER_SIZE);
  const table = Buffer.concat(entries.map((entry, index) => tableEntry(entry, offsets[index]!)));
  const digest = createHash("sha256").update(table);
  for (const { content } of entries) digest.update(content);

  const header = Buffer.alloc(HEADER_SIZE);
  header.write(MAGIC, 0, "latin1");
  header.writeBigUInt64LE(BigInt(size), 8);
  header.writeBigUInt64LE(BigInt(entries.length), 16);
  header.write(digest.digest("hex").slice(0, 32), 24, "latin1");

  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o755 });
    await writeAt(file, 0, launcher);
    await writeAt(file, headerOffset, Buffer.concat([header, table]));
    for (const [index, { content }] of entries.entries()) {
      await writeAt(file, offsets[index]!, content);
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Where each content goes, and where the file ends. */
function place(
  entries: readonly PayloadEntry[],
  tableOffset: number,
): { offsets: number[]; size: number } {
  const offsets: number[] = [];
  let size = tableOffset + entries.length * ENTRY_SIZE;
  for (const { content } of entries) {
    const offset = roundUp(size, ALIGNMENT);
    offsets.push(offset);
    size = offset + content.length;
  }
  return { offsets, size };
}

function tableEntry(entry: PayloadEntry, offset: number): Buffer {
  const name = Buffer.from(entry.name);
  if (name.length >= NAME_SIZE) throw new RangeError(`payload: name too long: ${entry.name}`);
  const bytes = Buffer.alloc(ENTRY_SIZE);
  bytes.writeBigUInt64LE(BigInt(offset), 0);
  bytes.writeBigUInt64LE(BigInt(entry.content.length), 8);
  bytes.writeUInt32LE(PayloadKind[entry.kind], 16);
  bytes.writeUInt32LE(entry.mode ?? 0o644, 20);
  name.copy(bytes, 24);
  return bytes;
}

/** What lies between two writes is a hole, which reads as zeros. */
async function writeAt(file: Deno.FsFile, offset: number, bytes: Uint8Array): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** The content of an entry of kind `arguments` or `variables`. */
export function nulTerminated(strings: readonly string[]): Uint8Array {
  return new TextEncoder().encode(strings.map((text) => `${text}\0`).join(""));
}
