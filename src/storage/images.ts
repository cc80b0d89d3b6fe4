import { dirname } from "@std/path";
import * as fs from "node:fs";
import { readFile } from "node:fs/promises";
import { CridError } from "../failure/mod.ts";
import { isErrno } from "../linux/mod.ts";
import {
  bigDataSize,
  findImage,
  type ImageIndex,
  imageRecord,
  imageRecords,
  indexImages,
} from "./image_records.ts";
import { type JsonRecord, replaceFile } from "./json_file.ts";
import {
  discardLayerFiles,
  dropLayer,
  layerChain,
  type LayerPlace,
  LayerTrash,
  openLayers,
  placeOf,
  strings,
  text,
} from "./layers.ts";
import { mergeImage, nameMembers } from "./merge_image.ts";
import { unmountLayer } from "./mounts.ts";
import { bigDataFileName, type StorePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import { type OpenImages, openImages, type OpenLayers, type Tables } from "./tables.ts";
import type { ImageRecord, NewImage } from "./types.ts";

/** The images of a store: records and big data. */
export class Images {
  readonly #tables: Tables;
  readonly #paths: StorePaths;
  /** The index of these lists, which are the same as long as nobody changes the tables. */
  #index: { readonly of: readonly unknown[]; readonly index: ImageIndex } | undefined;

  constructor(tables: Tables, paths: StorePaths) {
    this.#tables = tables;
    this.#paths = paths;
  }

  async index(): Promise<ImageIndex> {
    using images = await openImages(this.#tables, "read");
    const lists = [
      ...images.writable.map((table) => table.derive(imageRecords)),
      ...images.additional.map((table) => table.derive(readOnlyRecords)),
    ];
    const known = this.#index;
    if (known !== undefined && lists.every((list, at) => list === known.of[at])) return known.index;
    const index = indexImages(lists);
    this.#index = { of: lists, index };
    return index;
  }

  async find(idOrName: string): Promise<ImageRecord | undefined> {
    return findImage(await this.index(), idOrName);
  }

  async data(id: string, key: string): Promise<Uint8Array> {
    // Without the lock: items are replaced as a whole, and never change for an id.
    const { images, earlierImages, additional } = this.#paths;
    const stores = [images, earlierImages, ...additional.map((store) => store.images)];
    for (const directory of stores) {
      if (directory === undefined) continue;
      try {
        return new Uint8Array(await readFile(`${directory}/${id}/${bigDataFileName(key)}`));
      } catch (error) {
        if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
      }
    }
    throw new CridError("not_found", `image ${id} has no data item ${key}`);
  }

  async size(id: string): Promise<number> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    using images = await openImages(this.#tables, "read");
    const record = images.get(id);
    if (record === undefined) throw new CridError("not_found", `image ${id} is not in the store`);
    let size = bigDataSize(record);
    for (const layer of layerChain(layers, text(record["layer"]))) {
      size += Number(layer["diff-size"] ?? 0);
    }
    return size;
  }

  async create(image: NewImage): Promise<ImageRecord> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    if (image.layer !== undefined && placeOf(layers, this.#paths, image.layer) === undefined) {
      throw new CridError(
        "aborted",
        `record image ${image.id}: its layer ${image.layer} was removed meanwhile; pull again`,
      );
    }
    using images = await openImages(this.#tables, "write");
    const table = images.writable.find((table) => table.get(image.id) !== undefined) ?? images.own;
    const known = table.get(image.id);
    if (known !== undefined && text(known["layer"]) !== image.layer) {
      throw new CridError(
        "already_exists",
        `record image ${image.id}: it is in the store with another top layer, ${known["layer"]}`,
      );
    }
    // Data before the record: a record without its manifest breaks every listing of podman.
    await writeData(table, image);
    takeNames(images, image.id, image.names);
    const record = mergeImage(known, image);
    table.put(record);
    await images.save();
    return imageRecord(record);
  }

  async setNames(id: string, names: readonly string[]): Promise<void> {
    if ((await this.index()).byId.get(id)?.readOnly) return await this.#adopt(id, names);
    using images = await openImages(this.#tables, "write");
    const table = images.writable.find((table) => table.get(id) !== undefined);
    const record = table?.get(id);
    if (table === undefined || record === undefined) {
      throw new CridError("not_found", `image ${id} is not in the store`);
    }
    takeNames(images, id, names);
    table.put({ ...record, ...nameMembers(names, strings(record["names-history"])) });
    await images.save();
  }

  /** Records an image of an additional store in this one, too; the layers stay where they are. */
  async #adopt(id: string, names: readonly string[]): Promise<void> {
    const image = (await this.index()).byId.get(id);
    if (image === undefined) throw new CridError("not_found", `image ${id} is not in the store`);
    const bigData = new Map<string, Uint8Array>();
    for (const key of image.bigDataNames) bigData.set(key, await this.data(id, key));
    await this.create({
      id,
      names,
      layer: image.layer,
      digest: image.digest ?? `sha256:${id}`,
      created: image.created,
      bigData,
      metadata: "{}",
    });
  }

  async delete(id: string): Promise<void> {
    await using trash = new LayerTrash();
    using layers = await openLayers(this.#tables, this.#paths, "write");
    using images = await openImages(this.#tables, "write");
    using containers = await this.#tables.containers.open("write");
    const table = images.tableOf(id);
    const record = table?.get(id);
    if (table === undefined || record === undefined) return;
    if (!images.writable.includes(table)) {
      throw new CridError(
        "failed_precondition",
        `delete image ${id}: it is in the additional image store ${dirname(table.directory)}, ` +
          "which is only read",
      );
    }
    refuseIfUsed(id, containers);
    table.delete(id);
    await images.save();
    // Of the same root, for a rename.
    const records = table === images.own ? this.#paths.imageLayers : this.#paths.layers;
    trash.in(`${records}/tmp`).take(`${table.directory}/${id}`);
    const tops = [text(record["layer"]), ...strings(record["mapped-layers"])];
    await this.#dropUnusedLayers(tops, { layers, images, containers }, trash);
  }

  /** Drops each chain from the top down to the first layer that something else stands on. */
  async #dropUnusedLayers(
    tops: readonly (string | undefined)[],
    open: { layers: OpenLayers; images: OpenImages; containers: OpenTable },
    trash: LayerTrash,
  ): Promise<void> {
    const used = usedLayers(open.images, open.containers);
    const dropped: { place: LayerPlace; id: string }[] = [];
    for (const top of tops) {
      for (const layer of layerChain(open.layers, top)) {
        if (used.has(layer.id) || parentLayers(open.layers).has(layer.id)) break;
        const place = placeOf(open.layers, this.#paths, layer.id)!;
        if (place.access === "read-only") break;
        dropLayer(place, layer.id);
        dropped.push({ place, id: layer.id });
      }
    }
    await open.layers.save();
    using mounts = await this.#tables.mounts.open("write");
    for (const { place, id } of dropped) {
      if (mounts.get(id) !== undefined) {
        await unmountLayer(mounts, this.#paths, place.home, id);
      }
      discardLayerFiles(place, this.#paths, id, trash);
    }
  }
}

async function writeData(table: OpenTable, image: NewImage): Promise<void> {
  const directory = `${table.directory}/${image.id}`;
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  await Promise.all(
    Array.from(
      image.bigData,
      ([key, data]) => replaceFile(`${directory}/${bigDataFileName(key)}`, data, "durable"),
    ),
  );
}

function readOnlyRecords(records: Iterable<JsonRecord>): readonly ImageRecord[] {
  return Array.from(imageRecords(records), (image) => ({ ...image, readOnly: true }));
}

/** Ids of the layers that images and containers name. */
export function usedLayers(images: OpenImages, containers: OpenTable): Set<string> {
  const used = new Set<string>();
  for (const image of images.records()) {
    const top = text(image["layer"]);
    if (top !== undefined) used.add(top);
    for (const mapped of strings(image["mapped-layers"])) used.add(mapped);
  }
  for (const container of containers.records()) {
    const layer = text(container["layer"]);
    if (layer !== undefined) used.add(layer);
  }
  return used;
}

/** Ids of the layers that others stand on. */
export function parentLayers(layers: OpenLayers): Set<string> {
  const parents = new Set<string>();
  for (const table of new Set([layers.own, layers.images])) {
    for (const layer of table.records()) {
      const parent = text(layer["parent"]);
      if (parent !== undefined) parents.add(parent);
    }
  }
  return parents;
}

function refuseIfUsed(id: string, containers: OpenTable): void {
  for (const container of containers.records()) {
    if (container["image"] !== id) continue;
    const name = strings(container["names"])[0] ?? "";
    throw new CridError(
      "failed_precondition",
      `delete image ${id}: container ${container.id} (${name}) uses it; remove the container first`,
    );
  }
}

/** A name belongs to one image: it is taken from whoever has it. */
function takeNames(images: OpenImages, owner: string, names: readonly string[]): void {
  const taken = new Set(names);
  for (const table of images.writable) {
    for (const record of [...table.records()]) {
      if (record.id === owner) continue;
      const kept = strings(record["names"]).filter((name) => !taken.has(name));
      if (kept.length < strings(record["names"]).length) table.put({ ...record, names: kept });
    }
  }
}
