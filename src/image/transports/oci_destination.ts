import { join } from "@std/path";
import { randomBytes } from "node:crypto";
import { wrapError } from "../../failure/mod.ts";
import { parseIndex } from "../manifest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import { readBlobFile, writeBlobFile } from "./blob_file.ts";
import type { ImageDestination, ImageToWrite } from "./destination.ts";
import { blobName } from "./oci_layout.ts";
import { OutputFile } from "./output_file.ts";
import { TarWriter } from "./tar_writer.ts";

/** What is written for an image in `index.json`. */
interface IndexEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const LAYOUT = `{"imageLayoutVersion":"1.0.0"}`;
const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * An image layout in a directory. Images that are there already stay, unless they have the same name.
 *
 * @param name What the image is called in the layout; its full names if not given.
 */
export async function ociDirectory(
  path: string,
  name: string | undefined,
): Promise<ImageDestination> {
  try {
    await Deno.mkdir(join(path, "blobs/sha256"), { recursive: true });
  } catch (error) {
    throw wrapError(`write ${path}`, error, "failed_precondition");
  }
  const temporary = new Set<string>();
  const added: IndexEntry[] = [];
  const at = (digest: string) => join(path, blobName(digest));
  const write = async (source: AsyncIterable<Uint8Array<ArrayBuffer>>, signal: AbortSignal) => {
    const partial = join(path, "blobs/sha256", `.${randomBytes(8).toString("hex")}`);
    temporary.add(partial);
    const blob = await writeBlobFile(partial, source, signal);
    await Deno.rename(partial, at(blob.digest));
    temporary.delete(partial);
    return blob;
  };
  return {
    layerForm: "blob",
    manifestForm: "oci",
    has: (digest) => Deno.lstat(at(digest)).then((info) => info.isFile, () => false),
    put: (blob, signal) => write(blob.open(), signal),
    async putImage(image, signal) {
      await write(ReadableStream.from([image.manifest.slice()]), signal);
      added.push(...indexEntries(image, name));
    },
    async finish() {
      await replace(join(path, "oci-layout"), LAYOUT);
      const known = await readEntries(join(path, "index.json"));
      await replace(join(path, "index.json"), indexJson(known, added));
    },
    async [Symbol.asyncDispose]() {
      for (const partial of temporary) await Deno.remove(partial).catch(() => {});
    },
  };
}

/** An image layout in one tar archive. Blobs wait beside it until their size is known. */
export async function ociArchive(
  path: string,
  name: string | undefined,
  scratch: string,
): Promise<ImageDestination> {
  await using stack = new AsyncDisposableStack();
  const file = stack.use(await OutputFile.create(path));
  const directory = await Deno.makeTempDir({ dir: scratch, prefix: "crid-save-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const tar = new TarWriter((bytes) => file.write(bytes));
  const written = new Set<string>();
  const added: IndexEntry[] = [];
  // Layers come two at a time, and an archive has one end.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  };
  let count = 0;
  const owned = stack.move();
  return {
    layerForm: "blob",
    manifestForm: "oci",
    has: (digest) => Promise.resolve(written.has(digest)),
    async put(blob, signal) {
      const partial = join(directory, String(count++));
      const { digest, size } = await writeBlobFile(partial, blob.open(), signal);
      await inTurn(async () => {
        if (!written.has(digest)) await tar.file(blobName(digest), size, readBlobFile(partial));
        written.add(digest);
      });
      await Deno.remove(partial);
      return { digest, size };
    },
    async putImage(image) {
      if (!written.has(image.digest)) await tar.text(blobName(image.digest), image.manifest);
      written.add(image.digest);
      added.push(...indexEntries(image, name));
    },
    async finish() {
      await tar.text("index.json", indexJson([], added));
      await tar.text("oci-layout", LAYOUT);
      await tar.end();
      await file.finish();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function indexEntries(image: ImageToWrite, name: string | undefined): IndexEntry[] {
  const { mediaType, digest, manifest: { length: size } } = image;
  const names = name === undefined ? image.names : [name];
  if (names.length === 0) return [{ mediaType, digest, size }];
  return names.map((each) => ({ mediaType, digest, size, annotations: { [REF_NAME]: each } }));
}

function indexJson(known: readonly IndexEntry[], added: readonly IndexEntry[]): string {
  const key = ({ annotations, digest }: IndexEntry) => annotations?.[REF_NAME] ?? digest;
  const names = new Set(added.map(key));
  const manifests = [...known.filter((entry) => !names.has(key(entry))), ...added];
  return JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPES.ociIndex, manifests });
}

/** The entries of an index as they are, with all of their members. */
async function readEntries(path: string): Promise<readonly IndexEntry[]> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  parseIndex(bytes);
  return JSON.parse(new TextDecoder().decode(bytes)).manifests;
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}`;
  await Deno.writeTextFile(temporary, text, { createNew: true });
  await Deno.rename(temporary, path);
}
