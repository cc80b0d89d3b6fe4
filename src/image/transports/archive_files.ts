import { join } from "@std/path";
import { CridError, errorMessage, wrapError } from "../../failure/mod.ts";
import { indexTar, type TarIndexEntry } from "../../storage/mod.ts";
import type { Chunk } from "../blob_stream.ts";
import { quote } from "../digest.ts";

/** The files of an image archive, whatever they are packed in. Names are relative and never leave it. */
export interface ArchiveFiles {
  /** What they are in, for messages. */
  readonly path: string;
  /** Bytes of a file; `undefined` when there is none. */
  size(name: string): Promise<number | undefined>;
  /** Its bytes from the beginning. @throws {CridError} `not_found`. */
  stream(name: string): AsyncIterable<Chunk>;
}

const CHUNK = 256 * 1024;
/** An image has a few files for each layer, and 500 layers at most. */
const MAX_ENTRIES = 100_000;
const MAX_LINKS = 8;

/** The files in a directory. */
export function directoryFiles(path: string): ArchiveFiles {
  const size = async (name: string) => {
    try {
      const info = await Deno.lstat(join(path, name));
      if (info.isFile) return info.size;
      throw new CridError("invalid_argument", `${path}: ${quote(name)} is no regular file`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw wrapError(`read ${path}`, error, "failed_precondition");
    }
  };
  return {
    path,
    size,
    async *stream(name) {
      const length = await size(name);
      if (length === undefined) throw missing(path, name);
      yield* readRange(join(path, name), 0, length);
    },
  };
}

/**
 * The files in a tar archive that is not compressed.
 *
 * @throws {CridError} `invalid_argument` when it is none.
 */
export async function tarFiles(path: string): Promise<ArchiveFiles> {
  using file = await openFile(path);
  const entries = await indexTar(async (offset, length) => {
    const bytes = new Uint8Array(length);
    await file.seek(offset, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < length) {
      const read = await file.read(bytes.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  }, { maxEntries: MAX_ENTRIES }).catch((error) => {
    throw wrapError(`read ${path}`, error, "invalid_argument");
  });
  return {
    path,
    size: (name) => Promise.resolve(find(entries, name)?.size),
    async *stream(name) {
      const entry = find(entries, name);
      if (entry === undefined) throw missing(path, name);
      yield* readRange(path, entry.offset, entry.size);
    },
  };
}

/**
 * The whole of a small file.
 *
 * @throws {CridError} `not_found`, or `invalid_argument` when it is longer than `limit` bytes.
 */
export async function readSmall(
  files: ArchiveFiles,
  name: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = await files.size(name);
  if (size === undefined) throw missing(files.path, name);
  if (size > limit) {
    throw new CridError(
      "invalid_argument",
      `read ${files.path}: ${quote(name)} is longer than the limit of ${limit} bytes`,
    );
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const chunk of files.stream(name)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Old Docker archives share layers by links: `b/layer.tar -> ../a/layer.tar`. */
function find(
  entries: ReadonlyMap<string, TarIndexEntry>,
  name: string,
): TarIndexEntry | undefined {
  let at = name.replace(/^\.\//, "");
  for (let links = 0; links < MAX_LINKS; links++) {
    const entry = entries.get(at);
    if (entry?.kind !== "symlink") return entry?.kind === "file" ? entry : undefined;
    const directory = at.slice(0, at.lastIndexOf("/") + 1);
    at = join("/", entry.linkName.startsWith("/") ? "" : directory, entry.linkName).slice(1);
  }
  return undefined;
}

async function* readRange(path: string, offset: number, length: number): AsyncGenerator<Chunk> {
  using file = await openFile(path);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let left = length; left > 0;) {
    const chunk = new Uint8Array(Math.min(CHUNK, left));
    const read = await file.read(chunk);
    if (read === null) {
      throw new CridError("invalid_argument", `read ${path}: it is ${left} bytes too short`);
    }
    left -= read;
    yield read === chunk.length ? chunk : chunk.slice(0, read);
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw new CridError("not_found", `read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function missing(path: string, name: string): CridError {
  return new CridError("not_found", `read ${path}: there is no ${quote(name)} in it`);
}
