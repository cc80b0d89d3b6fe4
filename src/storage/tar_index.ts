import { Buffer } from "node:buffer";
import { ownCopy, parsePax, type PaxRecords, withPax } from "./unpack/pax.ts";
import { cleanPath } from "./unpack/entry_path.ts";
import {
  badArchive,
  BLOCK,
  isZeroBlock,
  marked,
  parseHeader,
  type TarHeader,
} from "./unpack/tar_header.ts";

/** Where one entry of an archive is. */
export interface TarIndexEntry {
  readonly kind: "file" | "symlink" | "other";
  /** Of the content, in the archive. */
  readonly offset: number;
  readonly size: number;
  /** Of a symbolic link, as written. */
  readonly linkName: string;
}

/** Reads up to `length` bytes at `offset`; fewer only at the end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Longest extended header. */
const MAX_META = 1024 * 1024;

/**
 * Finds the entries of an archive without reading their content: by cleaned path, one character for each
 * byte. Of entries with the same path the last one counts, as for tar.
 *
 * @throws {CridError} `invalid_argument` for a broken archive, and for one with too many entries.
 */
export async function indexTar(
  readAt: ReadAt,
  limits: { readonly maxEntries: number },
): Promise<ReadonlyMap<string, TarIndexEntry>> {
  const entries = new Map<string, TarIndexEntry>();
  let local: PaxRecords = new Map();
  let longName: string | undefined;
  let longLink: string | undefined;
  let count = 0;
  for (let at = 0;;) {
    const block = await readAt(at, BLOCK);
    // Archives without the two zero blocks exist.
    if (block.length === 0 || isZeroBlock(block)) return entries;
    if (block.length < BLOCK) throw badArchive("it is cut off");
    if (++count > limits.maxEntries) throw badArchive(`more than ${limits.maxEntries} entries`);
    const plain = parseHeader(block);
    const offset = at + BLOCK;
    const meta = async () => {
      if (plain.size > MAX_META) throw badArchive("an extended header is too long");
      const bytes = await readAt(offset, plain.size);
      if (bytes.length < plain.size) throw badArchive("it is cut off");
      return Buffer.from(bytes).toString("latin1");
    };
    let { size } = plain;
    switch (plain.kind) {
      case "pax":
        local = parsePax(await meta());
        break;
      case "pax-global":
        break;
      case "gnu-name":
        longName = ownCopy(untilNul(await meta()));
        break;
      case "gnu-link":
        longLink = ownCopy(untilNul(await meta()));
        break;
      default: {
        const described = withPax(plain, local);
        const header = marked({
          ...described,
          name: longName ?? described.name,
          linkName: longLink ?? described.linkName,
        });
        size = header.size;
        entries.set(cleanPath(header.name), {
          kind: kindOf(header),
          offset,
          size,
          linkName: header.linkName,
        });
        local = new Map();
        longName = longLink = undefined;
      }
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function kindOf({ kind }: TarHeader): TarIndexEntry["kind"] {
  return kind === "file" || kind === "symlink" ? kind : "other";
}

function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
