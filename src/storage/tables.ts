import type { LockMode } from "../linux/mod.ts";
import type { JsonRecord } from "./json_file.ts";
import { LockFile } from "./lock_file.ts";
import type { StorePaths } from "./paths.ts";
import { type OpenTable, RecordTable } from "./record_table.ts";
import { Reserve } from "./reserve.ts";

/** Bytes set aside on a disk of the store; a container's records take 2 kB. */
const RESERVE = 512 * 1024;
/** The run root is memory, and what is written there is short. */
const RUN_RESERVE = 64 * 1024;

/**
 * All tables of a store. To be locked in this order, and never in another: storage, layers, images,
 * containers, mounts; within one kind the store's own first.
 */
export interface Tables {
  /** Orders mounting and the set-up of the driver's home; there are no records behind it. */
  readonly storage: LockFile;
  /** Container layers, and image layers unless there is an image store. */
  readonly layers: RecordTable;
  /** The same table as `layers`, unless there is an image store. */
  readonly imageLayers: RecordTable;
  /** Of additional stores; only read. */
  readonly additionalLayers: readonly RecordTable[];
  readonly images: RecordTable;
  /** Those of the graph root when there is an image store; they may be removed. */
  readonly earlierImages: RecordTable | undefined;
  /** Of additional stores; only read. */
  readonly additionalImages: readonly RecordTable[];
  readonly containers: RecordTable;
  /** Mounted layers: `{id, path, count}`. */
  readonly mounts: RecordTable;
  /** Room on each disk for writing down what was taken away. */
  readonly reserves: readonly Reserve[];
}

/** Names the tables' files; reads nothing. */
export function storeTables(paths: StorePaths): Tables {
  const reserve = new Reserve(`${paths.graphRoot}/.crid-reserve`, RESERVE);
  const imageReserve = paths.imageRoot === paths.graphRoot
    ? reserve
    : new Reserve(`${paths.imageRoot}/.crid-reserve`, RESERVE);
  const runReserve = new Reserve(`${paths.runRoot}/.crid-reserve`, RUN_RESERVE);
  const layers = new RecordTable(
    new LockFile(`${paths.layers}/layers.lock`),
    [
      { path: `${paths.layers}/layers.json`, durability: "durable" },
      { path: `${paths.layers}/volatile-layers.json`, durability: "volatile" },
    ],
    reserve,
  );
  const imageLayers = paths.imageLayers === paths.layers
    ? layers
    : durableTable(paths.imageLayers, "layers", imageReserve);
  return {
    storage: new LockFile(paths.storageLock),
    layers,
    imageLayers,
    additionalLayers: paths.additional.map((store) => readOnlyTable(store.layers, "layers")),
    images: durableTable(paths.images, "images", imageReserve),
    earlierImages: paths.earlierImages === undefined
      ? undefined
      : durableTable(paths.earlierImages, "images", reserve),
    additionalImages: paths.additional.map((store) => readOnlyTable(store.images, "images")),
    containers: new RecordTable(
      new LockFile(`${paths.containers}/containers.lock`),
      [
        { path: `${paths.containers}/containers.json`, durability: "durable" },
        { path: `${paths.containers}/volatile-containers.json`, durability: "volatile" },
      ],
      reserve,
    ),
    mounts: new RecordTable(
      new LockFile(`${paths.runLayers}/mountpoints.lock`),
      [{ path: `${paths.runLayers}/mountpoints.json`, durability: "volatile" }],
      runReserve,
    ),
    reserves: [...new Set([reserve, imageReserve, runReserve])],
  };
}

function durableTable(
  directory: string,
  kind: "layers" | "images",
  reserve: Reserve,
): RecordTable {
  return new RecordTable(
    new LockFile(`${directory}/${kind}.lock`),
    [{ path: `${directory}/${kind}.json`, durability: "durable" }],
    reserve,
  );
}

function readOnlyTable(directory: string, kind: "layers" | "images"): RecordTable {
  return new RecordTable(new LockFile(`${directory}/${kind}.lock`, "read-only"), [
    { path: `${directory}/${kind}.json`, durability: "read-only" },
  ]);
}

/** The layer tables while their locks are held. */
export class OpenLayers implements Disposable {
  readonly own: OpenTable;
  /** The same as `own`, unless there is an image store. */
  readonly images: OpenTable;
  readonly additional: readonly OpenTable[];

  constructor(own: OpenTable, images: OpenTable, additional: readonly OpenTable[]) {
    this.own = own;
    this.images = images;
    this.additional = additional;
  }

  /** A layer's record, wherever it is. */
  get(id: string): JsonRecord | undefined {
    const record = this.own.get(id) ?? this.images.get(id);
    if (record !== undefined || this.additional.length === 0) return record;
    return this.additional.map((table) => table.get(id)).find((found) => found !== undefined);
  }

  async save(): Promise<void> {
    await this.own.save();
    if (this.images !== this.own) await this.images.save();
  }

  [Symbol.dispose](): void {
    for (const table of this.additional) table[Symbol.dispose]();
    if (this.images !== this.own) this.images[Symbol.dispose]();
    this.own[Symbol.dispose]();
  }
}

/** Locks the layer tables as they are on the disk; see `openLayers` for the mended view. */
export async function openLayerTables(tables: Tables, mode: LockMode): Promise<OpenLayers> {
  using opened = new DisposableStack();
  const own = opened.use(await tables.layers.open(mode));
  const images = tables.imageLayers === tables.layers
    ? own
    : opened.use(await tables.imageLayers.open(mode));
  const additional: OpenTable[] = [];
  for (const table of tables.additionalLayers) {
    additional.push(opened.use(await table.open("read")));
  }
  opened.move();
  return new OpenLayers(own, images, additional);
}

/** The tables of images while their locks are held. */
export class OpenImages implements Disposable {
  /** Where new images go. */
  readonly own: OpenTable;
  /** All that may be changed, `own` first. */
  readonly writable: readonly OpenTable[];
  readonly additional: readonly OpenTable[];

  constructor(writable: readonly OpenTable[], additional: readonly OpenTable[]) {
    this.own = writable[0]!;
    this.writable = writable;
    this.additional = additional;
  }

  /** An image's record, wherever it is. */
  get(id: string): JsonRecord | undefined {
    return this.tableOf(id)?.get(id);
  }

  /** The first table that has an image. */
  tableOf(id: string): OpenTable | undefined {
    return [...this.writable, ...this.additional].find((table) => table.get(id) !== undefined);
  }

  /** The records of this store's own images; those of additional stores are not its business. */
  *records(): Iterable<JsonRecord> {
    for (const table of this.writable) yield* table.records();
  }

  async save(): Promise<void> {
    for (const table of this.writable) await table.save();
  }

  [Symbol.dispose](): void {
    for (const table of [...this.writable, ...this.additional]) table[Symbol.dispose]();
  }
}

/** Locks the tables of images. */
export async function openImages(tables: Tables, mode: LockMode): Promise<OpenImages> {
  using opened = new DisposableStack();
  const writable = [opened.use(await tables.images.open(mode))];
  if (tables.earlierImages !== undefined) {
    writable.push(opened.use(await tables.earlierImages.open(mode)));
  }
  const additional: OpenTable[] = [];
  for (const table of tables.additionalImages) {
    additional.push(opened.use(await table.open("read")));
  }
  opened.move();
  return new OpenImages(writable, additional);
}
