import type { LockMode } from "../linux/mod.ts";
import type { OpenTable } from "./record_table.ts";
import { RecordTable } from "./record_table.ts";
import { LockFile } from "./lock_file.ts";
import type { StorePaths } from "./paths.ts";

/**
 * All tables of a store. To be locked in this order, and never in another: storage, layers, images,
 * containers, mounts.
 */
export interface Tables {
  /** Orders mounting and the set-up of the driver's home; there are no records behind it. */
  readonly storage: LockFile;
  /** Container layers, and image layers unless there is an image store. */
  readonly layers: RecordTable;
  /** The same table as `layers`, unless there is an image store. */
  readonly imageLayers: RecordTable;
  readonly images: RecordTable;
  readonly containers: RecordTable;
  /** Mounted layers: `{id, path, count}`. */
  readonly mounts: RecordTable;
}

/** Names the tables' files; reads nothing. */
export function storeTables(paths: StorePaths): Tables {
  const layers = new RecordTable(new LockFile(`${paths.layers}/layers.lock`), [
    { path: `${paths.layers}/layers.json`, durability: "durable" },
    { path: `${paths.layers}/volatile-layers.json`, durability: "volatile" },
  ]);
  const imageLayers = paths.imageLayers === paths.layers ? layers : new RecordTable(
    new LockFile(`${paths.imageLayers}/layers.lock`),
    [{ path: `${paths.imageLayers}/layers.json`, durability: "durable" }],
  );
  return {
    storage: new LockFile(paths.storageLock),
    layers,
    imageLayers,
    images: new RecordTable(new LockFile(`${paths.images}/images.lock`), [
      { path: `${paths.images}/images.json`, durability: "durable" },
    ]),
    containers: new RecordTable(new LockFile(`${paths.containers}/containers.lock`), [
      { path: `${paths.containers}/containers.json`, durability: "durable" },
      { path: `${paths.containers}/volatile-containers.json`, durability: "volatile" },
    ]),
    mounts: new RecordTable(new LockFile(`${paths.runLayers}/mountpoints.lock`), [
      { path: `${paths.runLayers}/mountpoints.json`, durability: "volatile" },
    ]),
  };
}

/** The layer tables while their locks are held. */
export class OpenLayers implements Disposable {
  readonly own: OpenTable;
  /** The same as `own`, unless there is an image store. */
  readonly images: OpenTable;

  constructor(own: OpenTable, images: OpenTable) {
    this.own = own;
    this.images = images;
  }

  async save(): Promise<void> {
    await this.own.save();
    if (this.images !== this.own) await this.images.save();
  }

  [Symbol.dispose](): void {
    if (this.images !== this.own) this.images[Symbol.dispose]();
    this.own[Symbol.dispose]();
  }
}

/** Locks the layer tables as they are on the disk; see `openLayers` for the mended view. */
export async function openLayerTables(tables: Tables, mode: LockMode): Promise<OpenLayers> {
  const own = await tables.layers.open(mode);
  if (tables.imageLayers === tables.layers) return new OpenLayers(own, own);
  try {
    return new OpenLayers(own, await tables.imageLayers.open(mode));
  } catch (error) {
    own[Symbol.dispose]();
    throw error;
  }
}
