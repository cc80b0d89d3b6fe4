import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { syncFileSystem } from "../linux/mod.ts";
import type { LayerAt } from "./graph_driver.ts";
import type { JsonRecord } from "./json_file.ts";
import {
  hasLayerFiles,
  imagePlace,
  type LayerPlace,
  layerRecord,
  LayerTrash,
  openLayers,
  placeOf,
} from "./layers.ts";
import { chainLayerId } from "./layer_id.ts";
import type { OverlayOptions } from "./options.ts";
import type { StorePaths } from "./paths.ts";
import type { OpenLayers, Tables } from "./tables.ts";
import { TempDir } from "./temp_dir.ts";
import type {
  Compression,
  Digest,
  LayerRecord,
  LayerStaging,
  StagingPaths,
  UnpackedLayer,
} from "./types.ts";

/** The numbers that layers.json has for compressions; none is not written. */
const COMPRESSION_NUMBER: Readonly<Record<Compression, number | undefined>> = {
  none: undefined,
  bzip2: 1,
  gzip: 2,
  xz: 3,
  zstd: 4,
};

/** What the staging of a layer needs of its store. */
export interface StagingStore {
  readonly tables: Tables;
  readonly paths: StorePaths;
  readonly overlay: OverlayOptions;
}

/** A layer in the making: a whole layer directory in a temporary place, renamed in when complete. */
export class StagedLayer implements LayerStaging {
  readonly id: string;
  readonly paths: StagingPaths;
  readonly #store: StagingStore;
  readonly #parent: string | undefined;
  readonly #diffId: Digest;
  readonly #tree: TempDir;
  readonly #splits: TempDir;
  readonly #directory: string;

  private constructor(
    store: StagingStore,
    parent: string | undefined,
    diffId: Digest,
    [tree, splits]: readonly [TempDir, TempDir],
  ) {
    this.id = chainLayerId(parent, diffId);
    this.#store = store;
    this.#parent = parent;
    this.#diffId = diffId;
    this.#tree = tree;
    this.#splits = splits;
    this.#directory = `${tree.path}/0-addition`;
    this.paths = {
      diff: `${this.#directory}/diff`,
      tarSplit: `${splits.path}/0-addition`,
    };
  }

  /**
   * Makes the temporary places.
   *
   * @throws {CridError} `invalid_argument` for a DiffID that is no sha256 digest.
   */
  static async create(
    store: StagingStore,
    parent: string | undefined,
    diffId: Digest,
  ): Promise<StagedLayer> {
    await using made = new AsyncDisposableStack();
    const tree = made.use(TempDir.create(`${store.paths.imageHome}/tempdirs`));
    const splits = made.use(TempDir.create(`${store.paths.imageLayers}/tmp`));
    const staged = new StagedLayer(store, parent, diffId, [tree, splits]);
    fs.mkdirSync(staged.paths.diff, { recursive: true, mode: 0o700 });
    made.move();
    return staged;
  }

  async commit(unpacked: UnpackedLayer): Promise<LayerRecord> {
    if (unpacked.diffDigest !== this.#diffId) {
      throw new CridError(
        "invalid_argument",
        `commit layer ${this.id}: its content is ${unpacked.diffDigest}, ` +
          `the image's config says ${this.#diffId}`,
      );
    }
    if (this.#store.overlay.sync === "filesystem") await syncFileSystem(this.paths.diff);
    const { tables, paths } = this.#store;
    const below = this.#parent === undefined ? undefined : () => this.#findBelow();
    await paths.driver.prepareLayer(this.#directory, below);
    await using trash = new LayerTrash();
    using layers = await openLayers(tables, paths, "write");
    const known = placeOf(layers, paths, this.id);
    const knownRecord = known?.table.get(this.id);
    if (known !== undefined && knownRecord !== undefined && hasLayerFiles(known, paths, this.id)) {
      return layerRecord(knownRecord);
    }
    const place = imagePlace(layers, paths);
    this.#publish(place, this.#below(layers), trash);
    const record = this.#record(unpacked);
    place.table.put(record, "durable");
    await layers.save();
    return layerRecord(record);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#tree[Symbol.asyncDispose](), this.#splits[Symbol.asyncDispose]()]);
  }

  async #findBelow(): Promise<LayerAt> {
    const { tables, paths } = this.#store;
    using layers = await openLayers(tables, paths, "read");
    return this.#below(layers)!;
  }

  #below(layers: OpenLayers): LayerAt | undefined {
    if (this.#parent === undefined) return undefined;
    const place = placeOf(layers, this.#store.paths, this.#parent);
    if (place !== undefined) return { ...place, id: this.#parent };
    throw new CridError(
      "aborted",
      `commit layer ${this.id}: its parent ${this.#parent} was removed meanwhile; pull again`,
    );
  }

  /** A crash from here to the saved record leaves files without a record: garbage, nothing worse. */
  #publish({ home, records }: LayerPlace, below: LayerAt | undefined, trash: LayerTrash): void {
    const { driver } = this.#store.paths;
    // Files without a record may be at its place, left by such a crash or a full disk.
    driver.forgetLayer(home, this.id);
    trash.in(`${home}/tempdirs`).take(driver.directory(home, this.id));
    driver.publishLayer(this.#directory, home, this.id, below);
    fs.chmodSync(this.paths.tarSplit, 0o600);
    fs.renameSync(this.paths.tarSplit, `${records}/${this.id}.tar-split.gz`);
  }

  #record(unpacked: UnpackedLayer): JsonRecord {
    const compression = COMPRESSION_NUMBER[unpacked.compression];
    return {
      id: this.id,
      ...(this.#parent === undefined ? {} : { parent: this.#parent }),
      created: new Date().toISOString(),
      "compressed-diff-digest": unpacked.compressedDigest,
      "compressed-size": unpacked.compressedSize,
      "diff-digest": unpacked.diffDigest,
      "diff-size": unpacked.diffSize,
      ...(compression === undefined ? {} : { compression }),
      uidset: unpacked.uids,
      gidset: unpacked.gids,
    };
  }
}
