import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { StoreDamage } from "./check.ts";
import { parentLayers, usedLayers } from "./images.ts";
import {
  discardLayerFiles,
  dropLayer,
  layerChain,
  LayerTrash,
  openLayers,
  placeOf,
  text,
} from "./layers.ts";
import { ShortNames } from "./short_names.ts";
import { type StorePaths, storePaths } from "./paths.ts";
import { openImages, storeTables } from "./tables.ts";
import type { Store } from "./types.ts";

/**
 * Mends what can be mended, and removes what else is damaged: containers, images, and layers that nothing uses then. Images can be
 * pulled again; containers are removed only when told so.
 *
 * @returns What is still damaged, with the reason.
 */
export async function repairStore(
  store: Store,
  found: readonly StoreDamage[],
  containers: "keep containers" | "remove containers",
): Promise<readonly StoreDamage[]> {
  const left: StoreDamage[] = [];
  const damage = found.filter(({ mendable }) => !mendable);
  await mend(storePaths(store.options), found.filter(({ mendable }) => mendable));
  const affected = await affectedBy(storePaths(store.options), damage);
  const remove = async (one: StoreDamage, work: () => Promise<void>) => {
    try {
      await work();
      log.info(`Removed damaged ${one.kind} ${one.id}: ${one.what}`);
    } catch (error) {
      left.push({ ...one, what: `${one.what}; ${errorMessage(error)}` });
    }
  };
  for (const one of affected.containers) {
    await remove(one, async () => {
      if (containers === "keep containers") throw new Error("containers are removed with --force");
      await store.deleteContainer(one.id);
    });
  }
  for (const one of affected.images) await remove(one, () => store.deleteImage(one.id));
  for (const one of damage.filter(({ kind }) => kind === "layer")) {
    await remove(one, () => removeLayer(storePaths(store.options), one.id));
  }
  return left;
}

async function mend(paths: StorePaths, damage: readonly StoreDamage[]): Promise<void> {
  if (damage.length === 0) return;
  using layers = await openLayers(storeTables(paths), paths, "write");
  const names = new ShortNames(layers, paths);
  for (const { id, what } of damage) {
    names.mend(id);
    log.info(`Mended layer ${id}: ${what}`);
  }
}

/** The damaged images and containers, and those that stand on a damaged layer. */
async function affectedBy(
  paths: StorePaths,
  damage: readonly StoreDamage[],
): Promise<{ containers: readonly StoreDamage[]; images: readonly StoreDamage[] }> {
  const tables = storeTables(paths);
  const of = (kind: StoreDamage["kind"]) =>
    new Map(damage.filter((one) => one.kind === kind).map((one) => [one.id, one]));
  const [layers, images, containers] = [of("layer"), of("image"), of("container")];
  using openedLayers = await openLayers(tables, paths, "read");
  using openedImages = await openImages(tables, "read");
  using openedContainers = await tables.containers.open("read");
  const damagedBelow = (layer: unknown) =>
    layerChain(openedLayers, text(layer)).find(({ id }) => layers.has(id));
  for (const { id, layer } of openedImages.records()) {
    const below = damagedBelow(layer);
    if (below === undefined || images.has(id)) continue;
    images.set(id, { kind: "image", id, what: `its layer ${below.id} is damaged` });
  }
  for (const { id, layer, image } of openedContainers.records()) {
    const below = damagedBelow(layer);
    if (containers.has(id)) continue;
    if (below !== undefined) {
      containers.set(id, { kind: "container", id, what: `its layer ${below.id} is damaged` });
    } else if (images.has(String(image))) {
      containers.set(id, { kind: "container", id, what: `its image ${image} is damaged` });
    }
  }
  return { containers: [...containers.values()], images: [...images.values()] };
}

/** Removes a layer that nothing stands on; one that has gone with its image is no error. */
async function removeLayer(paths: StorePaths, id: string): Promise<void> {
  const tables = storeTables(paths);
  await using trash = new LayerTrash();
  using layers = await openLayers(tables, paths, "write");
  using images = await openImages(tables, "read");
  using containers = await tables.containers.open("read");
  const place = placeOf(layers, paths, id);
  if (place === undefined || place.access === "read-only") return;
  if (usedLayers(images, containers).has(id) || parentLayers(layers).has(id)) {
    throw new Error("something stands on it");
  }
  dropLayer(place, id);
  await layers.save();
  discardLayerFiles(place, paths, id, trash);
}
