import * as fs from "node:fs";
import { log } from "../observe/mod.ts";
import { parentLayers, usedLayers } from "./images.ts";
import type { JsonRecord } from "./json_file.ts";
import {
  discardLayerFiles,
  dropLayer,
  type LayerPlace,
  layerPlaces,
  LayerTrash,
  openLayers,
  placeOf,
  text,
} from "./layers.ts";
import { unmountLayer } from "./mounts.ts";
import { isId, type StorePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import { type OpenImages, openImages, type OpenLayers, type Tables } from "./tables.ts";
import { removeStaleTempDirs } from "./temp_dir.ts";

/**
 * Image layers without an image may belong to a pull that is under way, of ours or of podman, or be
 * what a repeated pull continues from.
 */
const LOOSE_LAYER_MS = 24 * 60 * 60 * 1000;

/**
 * Removes what crashes have left: half-made layers, temporary directories that nobody works in,
 * directories and tar-split data without a record, container layers without a container, and image
 * layers that no image has claimed for a day.
 */
export async function collectGarbage(tables: Tables, paths: StorePaths): Promise<void> {
  for (const home of new Set([paths.home, paths.imageHome])) {
    await removeStaleTempDirs(`${home}/tempdirs`);
  }
  for (const records of new Set([paths.layers, paths.imageLayers])) {
    await removeStaleTempDirs(`${records}/tmp`);
  }
  await using trash = new LayerTrash();
  using layers = await openLayers(tables, paths, "write");
  using images = await openImages(tables, "write");
  using containers = await tables.containers.open("write");
  using mounts = await tables.mounts.open("write");
  await dropLooseLayers(layers, images, containers, { mounts, paths, trash });
  if (isWhole(layers, images, paths)) {
    for (const place of layerPlaces(layers, paths)) sweepLayerFiles(place, paths, trash);
  }
  sweepDirectories(paths.images, images.own, trash.in(`${paths.imageLayers}/tmp`));
  sweepDirectories(paths.containers, containers, trash.in(`${paths.layers}/tmp`));
}

/** Whether records can be trusted to be all there are: with layers.json lost, every layer looks like garbage. */
function isWhole(layers: OpenLayers, images: OpenImages, paths: StorePaths): boolean {
  for (const image of images.records()) {
    const top = text(image["layer"]);
    if (top === undefined || placeOf(layers, paths, top) !== undefined) continue;
    log.warn("Keeping layers without a record: an image has lost the record of its layer", {
      image: image.id,
      layer: top,
    });
    return false;
  }
  return true;
}

async function dropLooseLayers(
  layers: OpenLayers,
  images: OpenImages,
  containers: OpenTable,
  { mounts, paths, trash }: { mounts: OpenTable; paths: StorePaths; trash: LayerTrash },
): Promise<void> {
  const used = usedLayers(images, containers);
  const dropped: { place: LayerPlace; id: string }[] = [];
  for (const place of layerPlaces(layers, paths)) {
    const loose = () => {
      const parents = parentLayers(layers);
      return [...place.table.records()].filter(({ id }) => !used.has(id) && !parents.has(id))
        .filter((layer) => isAbandoned(place.table, layer));
    };
    // A chain becomes loose from the top: as long as one goes, its parent may follow.
    for (let layers = loose(); layers.length > 0; layers = loose()) {
      for (const { id } of layers) {
        dropLayer(place, id);
        dropped.push({ place, id });
      }
    }
  }
  await layers.save();
  for (const { place, id } of dropped) {
    log.info("Removed a layer that nothing uses", { layer: id });
    await unmountLayer(mounts, paths, place.home, id);
    discardLayerFiles(place, paths, id, trash);
  }
}

/** podman's own container layers are in the stable file, and are its own business for a day. */
function isAbandoned(table: OpenTable, layer: JsonRecord): boolean {
  if (table.isVolatile(layer.id)) return true;
  const created = Date.parse(String(layer["created"]));
  return Number.isNaN(created) || Date.now() - created > LOOSE_LAYER_MS;
}

/** Files of layers that have no record: whoever made them died before they counted. */
function sweepLayerFiles(place: LayerPlace, paths: StorePaths, trash: LayerTrash): void {
  for (const name of paths.driver.names(place.home)) {
    if (!isId(name) || place.table.get(name) !== undefined) continue;
    discardLayerFiles(place, paths, name, trash);
  }
  for (const name of list(place.records)) {
    const id = name.replace(/\.tar-split\.gz$/, "");
    if (isId(id) && place.table.get(id) === undefined) {
      trash.in(`${place.records}/tmp`).take(`${place.records}/${name}`);
    }
  }
  paths.driver.tidyHome(place.home);
}

function sweepDirectories(
  root: string,
  table: OpenTable,
  trash: { take(path: string): void },
): void {
  for (const name of list(root)) {
    if (isId(name) && table.get(name) === undefined) trash.take(`${root}/${name}`);
  }
}

function list(directory: string): string[] {
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}
