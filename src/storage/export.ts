import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { CridError, errorMessage } from "../failure/mod.ts";
import { Fd, isErrno, open, OpenFlag, openInRoot, statFd } from "../linux/mod.ts";
import { storePaths } from "./paths.ts";
import { readTarSplit } from "./tar_split_reader.ts";
import type { LayerRecord, Store } from "./types.ts";

/** How much is given away at once. */
const CHUNK = 256 * 1024;

/** Where the files of one layer are. */
interface LayerFiles {
  readonly diff: string;
  readonly tarSplit: string;
}

/**
 * The uncompressed archive of a layer, put together from its files as tar-split describes it: byte for
 * byte what was pulled. Its digest is checked; each piece belongs to the reader.
 *
 * No lock is held meanwhile. A layer that is deleted in the middle shows as a missing file.
 *
 * @throws {CridError} `not_found` for an unknown layer, `failed_precondition` for one without tar-split data,
 * `internal` when the files are no longer what was pulled.
 */
export async function* exportLayer(
  store: Store,
  id: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const what = `export layer ${id}`;
  const record = await store.layer(id);
  if (record === undefined) throw new CridError("not_found", `${what}: it is not in the store`);
  const files = filesOf(store, id);
  const hash = createHash("sha256");
  for await (const chunk of reassemble(what, files)) {
    hash.update(chunk);
    yield chunk;
  }
  checkDigest(what, record, `sha256:${hash.digest("hex")}`);
}

function filesOf({ options }: Store, id: string): LayerFiles {
  const paths = storePaths(options);
  const places = [
    { home: paths.imageHome, layers: paths.imageLayers },
    paths,
    ...paths.additional,
  ] as const;
  const content = ({ home }: { readonly home: string }) => paths.driver.content(home, id);
  const place = places.find((each) => fs.existsSync(content(each))) ?? places[0];
  return { diff: content(place), tarSplit: `${place.layers}/${id}.tar-split.gz` };
}

async function* reassemble(
  what: string,
  { diff, tarSplit }: LayerFiles,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using root = open(diff, OpenFlag.PATH | OpenFlag.DIRECTORY);
  let chunk = new Uint8Array(CHUNK);
  let filled = 0;
  for await (const part of readTarSplit(tarSplit, what)) {
    if (part.kind === "raw") {
      for (let at = 0; at < part.bytes.length;) {
        const piece = part.bytes.subarray(at, at + CHUNK - filled);
        chunk.set(piece, filled);
        at += piece.length;
        filled += piece.length;
        if (filled < CHUNK) break;
        yield chunk;
        [chunk, filled] = [new Uint8Array(CHUNK), 0];
      }
      continue;
    }
    using file = openFile(what, root, part.name);
    let left = part.size;
    while (left > 0) {
      const read = file.read(chunk.subarray(filled, Math.min(CHUNK, filled + left)));
      if (read === 0) throw damaged(what, part.name, `it is ${left} bytes too short`);
      left -= read;
      filled += read;
      if (filled < CHUNK) continue;
      yield chunk;
      [chunk, filled] = [new Uint8Array(CHUNK), 0];
    }
    if (file.read(new Uint8Array(1)) > 0) throw damaged(what, part.name, "it has grown");
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** Nothing in a layer leads out of it, and nothing in it makes the reader wait. */
function openFile(what: string, root: Fd, name: Uint8Array): Fd {
  try {
    const flags = OpenFlag.READ | OpenFlag.NOFOLLOW | OpenFlag.NONBLOCK;
    using file = openInRoot(root, name, flags);
    if ((statFd(file).mode & fs.constants.S_IFMT) === fs.constants.S_IFREG) {
      return new Fd(file.release());
    }
  } catch (error) {
    throw damaged(what, name, isErrno(error, "ENOENT") ? "it is missing" : errorMessage(error));
  }
  throw damaged(what, name, "it is no file");
}

function checkDigest(what: string, { diffDigest }: LayerRecord, actual: string): void {
  if (diffDigest === undefined || diffDigest === actual) return;
  throw new CridError(
    "internal",
    `${what}: its files have changed since it was pulled: expected ${diffDigest}, got ${actual}; ` +
      "remove the image and pull it again",
  );
}

function damaged(what: string, name: Uint8Array, why: string): CridError {
  return new CridError(
    "internal",
    `${what}: file ${
      JSON.stringify(Buffer.from(name).toString())
    } is not what was pulled: ${why}; ` +
      "remove the image and pull it again",
  );
}
