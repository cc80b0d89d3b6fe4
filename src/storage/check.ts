import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { errorMessage } from "../failure/mod.ts";
import { lstatIfThere } from "../linux/mod.ts";
import { exportLayer } from "./export.ts";
import { dictionary } from "./image_records.ts";
import { parentLayers, usedLayers } from "./images.ts";
import type { JsonRecord } from "./json_file.ts";
import { hasLayerFiles, layerChain, layerPlaces, openLayers, strings, text } from "./layers.ts";
import { ShortNames } from "./short_names.ts";
import { bigDataFileName, type StorePaths, storePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import { openImages, storeTables } from "./tables.ts";
import type { Store } from "./types.ts";

/** Something in a store that is not as its record says. */
export interface StoreDamage {
  readonly kind: "layer" | "image" | "container";
  readonly id: string;
  /** What is wrong with it. */
  readonly what: string;
  /** It can be put right without losing anything. */
  readonly mendable?: true;
}

/** How thoroughly {@linkcode checkStore} looks. */
export interface CheckOptions {
  /** `quick`: whether everything is there. `full`: whether it is also what was pulled. */
  readonly depth: "quick" | "full";
  /** Layers that nothing has used for so many milliseconds are damage; by default none is. */
  readonly unusedAfterMs?: number;
}

/**
 * Holds the records of a store against its files. Changes nothing but what every reader mends:
 * layers that were never finished.
 */
export async function checkStore(
  store: Store,
  options: CheckOptions,
): Promise<readonly StoreDamage[]> {
  const paths = storePaths(store.options);
  const { damage, layers } = await checkRecords(paths, options);
  if (options.depth === "quick") return damage;
  const damaged = new Set(damage.filter(({ mendable }) => !mendable).map(({ id }) => id));
  const corrupt: StoreDamage[] = [];
  for (const id of layers) {
    if (damaged.has(id)) continue;
    const what = await layerFault(store, id);
    if (what !== undefined) corrupt.push({ kind: "layer", id, what });
  }
  return [...damage, ...corrupt];
}

/** All that can be told under the locks; and the layers that have a digest to check. */
async function checkRecords(
  paths: StorePaths,
  options: CheckOptions,
): Promise<{ damage: StoreDamage[]; layers: string[] }> {
  const tables = storeTables(paths);
  using layers = await openLayers(tables, paths, "read");
  using images = await openImages(tables, "read");
  using containers = await tables.containers.open("read");
  const damage: StoreDamage[] = [];
  const digested: string[] = [];
  const report = (kind: StoreDamage["kind"], id: string, what: string | undefined) => {
    if (what !== undefined) damage.push({ kind, id, what });
  };
  const known = (id: string) => layers.get(id);
  const wholeChain = (top: string | undefined) =>
    layerChain(layers, top).every(({ parent }) => {
      const id = text(parent);
      return id === undefined || known(id) !== undefined;
    });
  const names = paths.driver.name === "overlay" ? new ShortNames(layers, paths) : undefined;
  const [used, parents] = [usedLayers(images, containers), parentLayers(layers)];
  for (const place of layerPlaces(layers, paths)) {
    for (const layer of place.table.records()) {
      const { id } = layer;
      const digest = text(layer["diff-digest"]);
      const there = hasLayerFiles(place, paths, id);
      const misnamed = there ? names?.fault(place, id) : undefined;
      if (misnamed !== undefined) {
        damage.push({ kind: "layer", id, what: misnamed, mendable: true });
      }
      if (!there) report("layer", id, "its files are missing");
      else if (
        digest !== undefined && lstatIfThere(`${place.records}/${id}.tar-split.gz`) === undefined
      ) {
        report("layer", id, "its tar-split data is missing");
      } else if (!used.has(id) && !parents.has(id) && isOlder(layer, options.unusedAfterMs)) {
        report("layer", id, "nothing uses it");
      } else if (digest !== undefined) digested.push(id);
    }
  }
  for (const table of images.writable) {
    for (const image of table.records()) {
      const top = text(image["layer"]);
      if (top !== undefined && (known(top) === undefined || !wholeChain(top))) {
        report("image", image.id, "the record of a layer is missing");
      } else report("image", image.id, imageFault(table, image, options.depth));
    }
  }
  for (const container of containers.records()) {
    const layer = text(container["layer"]);
    const image = text(container["image"]);
    if (layer === undefined || known(layer) === undefined || !wholeChain(layer)) {
      report("container", container.id, "the record of a layer is missing");
    } else if (image !== undefined && images.get(image) === undefined) {
      report("container", container.id, `its image ${image} is missing`);
    }
  }
  return { damage, layers: digested };
}

function isOlder(layer: JsonRecord, milliseconds: number | undefined): boolean {
  if (milliseconds === undefined) return false;
  const created = Date.parse(String(layer["created"]));
  return Number.isNaN(created) || Date.now() - created > milliseconds;
}

/** What is wrong with an image's data. */
function imageFault(
  table: OpenTable,
  image: JsonRecord,
  depth: CheckOptions["depth"],
): string | undefined {
  const sizes = dictionary(image["big-data-sizes"]);
  const digests = dictionary(image["big-data-digests"]);
  for (const key of strings(image["big-data-names"])) {
    const path = `${table.directory}/${image.id}/${bigDataFileName(key)}`;
    const info = lstatIfThere(path);
    if (info === undefined) return `its data ${key} is missing`;
    if (typeof sizes[key] === "number" && info.size !== sizes[key]) {
      return `its data ${key} has ${info.size} bytes, not ${sizes[key]}`;
    }
    // Signatures and lists of manifests have no digest of their own in the record.
    const digest = text(digests[key]);
    if (depth === "quick" || digest === undefined) continue;
    const found = `sha256:${createHash("sha256").update(fs.readFileSync(path)).digest("hex")}`;
    if (found !== digest) return `its data ${key} has digest ${found}, not ${digest}`;
  }
  return undefined;
}

/** What is wrong with a layer's files; taking the archive together again checks its digest. */
async function layerFault(store: Store, id: string): Promise<string | undefined> {
  try {
    for await (const _ of exportLayer(store, id));
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
