import { join } from "@std/path";
import { CridError, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { Store } from "../storage/mod.ts";
import { formatArchive } from "./transports/transport_name.ts";
import { withPlainArchive } from "./transports/plain_archive.ts";
import type { Images } from "./types.ts";

export interface ImportOptions {
  /** Directory with archives and image layouts; one that is not there is as good as empty. */
  readonly directory: string;
  /** Where compressed archives are written out to; made, and emptied of what a crash left. */
  readonly scratch: string;
  /** Remembers what was imported. */
  readonly stateFile: string;
  readonly store: Store;
  readonly images: Images;
  readonly signal: AbortSignal;
}

/** What an archive was when it was imported, and the ids of what was in it. */
interface Imported {
  readonly size: number;
  readonly modified: number;
  readonly images: readonly string[];
}

const ARCHIVE = /\.(tar|tar\.gz|tgz|tar\.zst|oci)$/;

/**
 * Takes over the images of all archives in a directory, for nodes that reach no registry. An archive that has
 * not changed and whose images are all here is passed over. One that cannot be read is logged and does not
 * keep the others.
 */
export async function importArchives(options: ImportOptions): Promise<void> {
  const found = await archivesIn(options.directory);
  if (found.length === 0) return;
  await clear(options.scratch);
  const state = await readState(options.stateFile);
  const next = new Map<string, Imported>();
  for (const { path, size, modified } of found) {
    options.signal.throwIfAborted();
    const known = state.get(path);
    if (known?.size === size && known.modified === modified && await areHere(options, known)) {
      next.set(path, known);
      continue;
    }
    try {
      const images = await importOne(options, path);
      log.info("imported images", { archive: path, images: images.length });
      next.set(path, { size, modified, images });
    } catch (error) {
      if (options.signal.aborted) throw error;
      log.error("archive was not imported", { archive: path, error: errorMessage(error) });
    }
    await writeState(options.stateFile, next);
  }
  await writeState(options.stateFile, next);
}

async function importOne(
  { images, scratch, signal }: ImportOptions,
  path: string,
): Promise<readonly string[]> {
  const list = (source: string) => images.archiveImages(source, signal);
  return await withPlainArchive(path, undefined, scratch, list, async (archive) => {
    const ids: string[] = [];
    for (const { index } of archive.images) {
      const source = formatArchive({ ...archive.name, image: `@${index}` });
      ids.push(await images.load({ source, signal }));
    }
    return ids;
  });
}

interface ArchiveFile {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/** Archives by the look of their names, and directories with an image layout, in the order of their names. */
async function archivesIn(directory: string): Promise<readonly ArchiveFile[]> {
  if (directory === "") return [];
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) names.push(entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new CridError("failed_precondition", `read ${directory}: ${errorMessage(error)}`);
  }
  const found: ArchiveFile[] = [];
  for (const name of names.sort()) {
    const path = join(directory, name);
    const info = await Deno.stat(path).catch(() => undefined);
    const isLayout = info?.isDirectory === true;
    const stamp = isLayout
      ? await Deno.stat(join(path, "index.json")).catch(() => undefined)
      : ARCHIVE.test(name)
      ? info
      : undefined;
    if (stamp?.isFile !== true) continue;
    found.push({ path, size: stamp.size, modified: stamp.mtime?.getTime() ?? 0 });
  }
  return found;
}

async function areHere({ store }: ImportOptions, { images }: Imported): Promise<boolean> {
  for (const id of images) if (await store.image(id) === undefined) return false;
  return true;
}

async function clear(directory: string): Promise<void> {
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
}

/** Without it everything is imported again, which changes nothing. */
async function readState(path: string): Promise<ReadonlyMap<string, Imported>> {
  try {
    return new Map(Object.entries(JSON.parse(await Deno.readTextFile(path))));
  } catch {
    return new Map();
  }
}

async function writeState(path: string, state: ReadonlyMap<string, Imported>): Promise<void> {
  const temporary = `${path}.new`;
  await Deno.writeTextFile(temporary, JSON.stringify(Object.fromEntries(state)), { mode: 0o600 });
  await Deno.rename(temporary, path);
}
