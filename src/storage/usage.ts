import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import { lstat, opendir } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { isErrno } from "../linux/mod.ts";
import { bigDataSize } from "./image_records.ts";
import type { JsonRecord } from "./json_file.ts";
import { openLayers } from "./layers.ts";
import type { StorePaths } from "./paths.ts";
import { openImages, type Tables } from "./tables.ts";
import type { StoreUsage } from "./types.ts";

/**
 * What a directory tree takes up: content of regular files, each inode once. Directories count as
 * inodes, not as bytes. Files that vanish meanwhile do not count.
 */
export async function directoryUsage(path: string): Promise<StoreUsage> {
  const linked = new Set<string>();
  let bytes = 0;
  let inodes = 0;
  const pending = [path];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for await (const name of namesIn(directory)) {
      const file = `${directory}/${name}`;
      const stat = await lstat(file).catch(ignoreMissing);
      if (stat === undefined) continue;
      if (stat.nlink > 1 && !stat.isDirectory()) {
        const key = `${stat.dev}:${stat.ino}`;
        if (linked.has(key)) continue;
        linked.add(key);
      }
      inodes++;
      if (stat.isDirectory()) pending.push(file);
      else if (stat.isFile()) bytes += stat.size;
    }
  }
  return { bytes, inodes };
}

async function* namesIn(directory: string): AsyncIterable<string> {
  try {
    for await (const entry of await opendir(directory)) yield entry.name;
  } catch (error) {
    ignoreMissing(error);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
}

/** Counts what the images of a store take up. Layers never change, so each is looked at once. */
export class ImageUsage {
  readonly #tables: Tables;
  readonly #paths: StorePaths;
  readonly #entries = new Map<string, number>();

  constructor(tables: Tables, paths: StorePaths) {
    this.#tables = tables;
    this.#paths = paths;
  }

  /** Bytes: sum of the layers' sizes and of the images' data; inodes: entries of the layers. */
  async measure(): Promise<StoreUsage> {
    const { bytes: data, items } = await this.#images();
    const layers = await this.#layers();
    let bytes = data;
    let inodes = items;
    for (const layer of layers) {
      bytes += Number(layer["diff-size"]);
      inodes += await this.#countEntries(layer.id);
    }
    const present = new Set(layers.map(({ id }) => id));
    for (const id of this.#entries.keys()) if (!present.has(id)) this.#entries.delete(id);
    return { bytes, inodes };
  }

  async #images(): Promise<{ bytes: number; items: number }> {
    using images = await openImages(this.#tables, "read");
    let bytes = 0;
    let items = 0;
    for (const image of images.records()) {
      bytes += bigDataSize(image);
      items += Array.isArray(image["big-data-names"]) ? image["big-data-names"].length : 0;
    }
    return { bytes, items };
  }

  /** Image layers are those whose content has a size on record. */
  async #layers(): Promise<JsonRecord[]> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    return [...layers.images.records()].filter((layer) => Number(layer["diff-size"]) >= 0);
  }

  async #countEntries(layer: string): Promise<number> {
    let count = this.#entries.get(layer);
    if (count === undefined) {
      count = await countEntries(`${this.#paths.imageLayers}/${layer}.tar-split.gz`);
      this.#entries.set(layer, count);
    }
    return count;
  }
}

const ENTRY = Buffer.from('{"type":1,');
const CHUNK = 256 * 1024;

/**
 * Entries of an archive according to its tar-split data; 0 when that is missing or damaged. In pieces:
 * whoever made the image decides what it comes to.
 */
async function countEntries(path: string): Promise<number> {
  const file = createReadStream(path);
  const plain = createGunzip({ chunkSize: CHUNK });
  file.on("error", (error) => plain.destroy(error));
  let count = 0;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of file.pipe(plain)) {
      const text = Buffer.concat([rest, chunk]);
      for (let at = text.indexOf(ENTRY); at >= 0; at = text.indexOf(ENTRY, at + 1)) count++;
      rest = text.subarray(Math.max(0, text.length - ENTRY.length + 1));
    }
    return count;
  } catch {
    return 0;
  } finally {
    file.destroy();
  }
}
