import { constants } from "node:fs";
import { type LockMode, lstatIfThere } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import type { JsonRecord } from "./json_file.ts";
import type { StorePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import { type OpenLayers, openLayerTables, type Tables } from "./tables.ts";
import { removeTree, TempDir } from "./temp_dir.ts";
import type { LayerRecord } from "./types.ts";

const { S_IFMT, S_IFDIR } = constants;

/** A layer as callers see it. */
export function layerRecord(record: JsonRecord): LayerRecord {
  return {
    id: record.id,
    parent: text(record["parent"]),
    names: strings(record["names"]),
    compressedDigest: text(record["compressed-diff-digest"]),
    compressedSize: number(record["compressed-size"]),
    diffDigest: text(record["diff-digest"]),
    diffSize: number(record["diff-size"]),
  };
}

/** Where a table's layers are on the disk. */
export interface LayerPlace {
  readonly table: OpenTable;
  readonly home: string;
  /** Directory of the JSON files and tar-split data. */
  readonly records: string;
  /** Nothing in an additional store is ever changed. */
  readonly access: "read-write" | "read-only";
}

/** Finds the table that holds a layer. */
export function placeOf(
  layers: OpenLayers,
  paths: StorePaths,
  id: string,
): LayerPlace | undefined {
  if (layers.own.get(id) !== undefined) return ownPlace(layers, paths);
  if (layers.images.get(id) !== undefined) return imagePlace(layers, paths);
  const at = layers.additional.findIndex((table) => isComplete(table.get(id)));
  if (at < 0) return undefined;
  const { home, layers: records } = paths.additional[at]!;
  return { table: layers.additional[at]!, home, records, access: "read-only" };
}

/** Where container layers go. */
export function ownPlace(layers: OpenLayers, paths: StorePaths): LayerPlace {
  return { table: layers.own, home: paths.home, records: paths.layers, access: "read-write" };
}

/** Where image layers go. */
export function imagePlace(layers: OpenLayers, paths: StorePaths): LayerPlace {
  return {
    table: layers.images,
    home: paths.imageHome,
    records: paths.imageLayers,
    access: "read-write",
  };
}

/** Every place where layers are made and deleted. */
export function layerPlaces(layers: OpenLayers, paths: StorePaths): LayerPlace[] {
  const own = ownPlace(layers, paths);
  return layers.own === layers.images ? [own] : [own, imagePlace(layers, paths)];
}

/**
 * Locks the layers. A layer that is flagged as incomplete while we hold the lock was left so by a
 * writer that died: it is deleted first, as everyone does who shares the store.
 */
export async function openLayers(
  tables: Tables,
  paths: StorePaths,
  mode: LockMode,
): Promise<OpenLayers> {
  const layers = await openLayerTables(tables, mode);
  try {
    if (!hasIncomplete(layers)) return layers;
  } catch (error) {
    layers[Symbol.dispose]();
    throw error;
  }
  layers[Symbol.dispose]();
  await deleteIncomplete(tables, paths);
  return openLayerTables(tables, mode);
}

/** Removes a layer's record; its files follow with {@linkcode discardLayerFiles}. */
export function dropLayer(place: LayerPlace, id: string): void {
  place.table.delete(id);
}

/**
 * Takes a layer's files away: in one step each, to be deleted when the locks are released. The record
 * must be saved away before, so that a crash leaves files without a record (which are garbage) and
 * never a record without files (which is a broken image).
 */
export function discardLayerFiles(
  place: LayerPlace,
  { driver }: StorePaths,
  id: string,
  trash: LayerTrash,
): void {
  driver.forgetLayer(place.home, id);
  trash.in(`${place.home}/tempdirs`).take(driver.directory(place.home, id));
  const splits = trash.in(`${place.records}/tmp`);
  splits.take(`${place.records}/${id}.tar-split.gz`);
  splits.take(`${place.records}/${id}`);
}

/**
 * As {@linkcode discardLayerFiles} for a layer whose id is random: nobody can make it again while its
 * files are deleted where they are.
 */
export function discardContainerLayer(
  place: LayerPlace,
  { driver }: StorePaths,
  id: string,
  trash: LayerTrash,
): void {
  driver.forgetLayer(place.home, id);
  trash.addInPlace(driver.directory(place.home, id));
}

/**
 * What is being deleted. Disposed after the locks are released, because deleting a tree takes long.
 */
export class LayerTrash implements AsyncDisposable {
  readonly #directories = new Map<string, TempDir>();
  readonly #inPlace: string[] = [];

  /** Deletes a tree later where it is; a crash until then leaves it to the garbage collection. */
  addInPlace(path: string): void {
    this.#inPlace.push(path);
  }

  /** The temporary directory below `root`, to move things to. */
  in(root: string): TempDir {
    let directory = this.#directories.get(root);
    if (directory === undefined) {
      directory = TempDir.create(root);
      this.#directories.set(root, directory);
    }
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#inPlace.map(removeTree));
    for (const directory of this.#directories.values()) await directory[Symbol.asyncDispose]();
  }
}

function hasIncomplete(layers: OpenLayers): boolean {
  return layers.own.derive(incompleteIds).length > 0 ||
    (layers.images !== layers.own && layers.images.derive(incompleteIds).length > 0);
}

function incompleteIds(records: Iterable<JsonRecord>): string[] {
  const ids: string[] = [];
  for (const record of records) if (!isComplete(record)) ids.push(record.id);
  return ids;
}

/** Whether there is such a layer, and its writer has finished it. */
function isComplete(record: JsonRecord | undefined): boolean {
  if (record === undefined) return false;
  const flags = record["flags"];
  return !(typeof flags === "object" && flags !== null && "incomplete" in flags &&
    flags.incomplete);
}

async function deleteIncomplete(tables: Tables, paths: StorePaths): Promise<void> {
  await using trash = new LayerTrash();
  using layers = await openLayerTables(tables, "write");
  const left = layerPlaces(layers, paths).map((place) => ({
    place,
    ids: place.table.derive(incompleteIds),
  }));
  for (const { place, ids } of left) for (const id of ids) dropLayer(place, id);
  await layers.save();
  for (const { place, ids } of left) {
    for (const id of ids) {
      log.warn("Found incomplete layer, deleting it", { layer: id });
      discardLayerFiles(place, paths, id, trash);
    }
  }
}

/** The chain of a layer from the top down; ends early when one is missing. */
export function layerChain(layers: OpenLayers, top: string | undefined): JsonRecord[] {
  const chain: JsonRecord[] = [];
  for (let id = top; id !== undefined;) {
    const record = layers.get(id);
    if (record === undefined || chain.includes(record)) return chain;
    chain.push(record);
    id = text(record["parent"]);
  }
  return chain;
}

/** Whether the files of a layer are there; a record alone does not make one. */
export function hasLayerFiles({ home }: LayerPlace, { driver }: StorePaths, id: string): boolean {
  const mode = lstatIfThere(driver.content(home, id))?.mode ?? 0;
  return (mode & S_IFMT) === S_IFDIR;
}

/** A member that is a non-empty string. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A member that is a list of strings. */
export function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
