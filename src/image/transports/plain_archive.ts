import { basename, join } from "@std/path";
import { CridError, errorMessage, isCode } from "../../failure/mod.ts";
import { decompress, detectCompression, MAGIC_BYTES } from "../../storage/mod.ts";
import type { ArchiveImage } from "./archive.ts";
import { readBlobFile } from "./blob_file.ts";
import { type ArchiveName, formatArchive } from "./transport_name.ts";

/** What a file or directory turned out to be. */
export interface FoundArchive {
  readonly name: ArchiveName;
  readonly images: readonly ArchiveImage[];
}

/** Asks the isolate that parses archives; fails with `not_found` when it is of another kind. */
export type ListArchive = (source: string) => Promise<readonly ArchiveImage[]>;

/**
 * Finds out which kind of archive a path is, and lists it. Archives are read at random, so that a compressed
 * one is written out to `scratch` first, for as long as `use` takes.
 *
 * @param kind What it must be, if that is known.
 * @throws {CridError} `invalid_argument` when it holds no images.
 */
export async function withPlainArchive<T>(
  path: string,
  kind: ArchiveName["kind"] | undefined,
  scratch: string,
  list: ListArchive,
  use: (archive: FoundArchive) => Promise<T>,
): Promise<T> {
  const info = await Deno.stat(path).catch((error) => {
    throw new CridError("not_found", `read ${path}: ${errorMessage(error)}`, { cause: error });
  });
  if (info.isDirectory) return await use(await findKind(path, [kind ?? "oci"], list));
  const kinds = kind === undefined ? ["oci-archive", "docker-archive"] as const : [kind];
  const plain = await decompressed(path, scratch);
  try {
    return await use(await findKind(plain ?? path, kinds, list));
  } finally {
    if (plain !== undefined) await Deno.remove(plain);
  }
}

async function findKind(
  path: string,
  kinds: readonly ArchiveName["kind"][],
  list: ListArchive,
): Promise<FoundArchive> {
  const errors: string[] = [];
  for (const kind of kinds) {
    const name: ArchiveName = { kind, path, image: undefined };
    try {
      return { name, images: await list(formatArchive({ ...name, image: "@0" })) };
    } catch (error) {
      if (!isCode(error, "not_found")) throw error;
      errors.push(errorMessage(error));
    }
  }
  throw new CridError("invalid_argument", `${path} is no image archive: ${errors.join("; ")}`);
}

/** @returns Where it is without compression; `undefined` when it has none. */
async function decompressed(path: string, scratch: string): Promise<string | undefined> {
  const start = new Uint8Array(MAGIC_BYTES);
  {
    using file = await Deno.open(path);
    await file.read(start);
  }
  const compression = detectCompression(start);
  if (compression === "none") return undefined;
  const plain = join(scratch, `${crypto.randomUUID()}-${basename(path)}`);
  try {
    using out = await Deno.open(plain, { write: true, createNew: true, mode: 0o600 });
    for await (const chunk of decompress(readCopies(path), compression)) {
      for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await out.write(rest));
    }
    return plain;
  } catch (error) {
    await Deno.remove(plain).catch(() => {});
    throw error;
  }
}

/** A decompressor keeps what it is given; the reader uses its buffer again. */
async function* readCopies(path: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of readBlobFile(path)) yield chunk.slice();
}
