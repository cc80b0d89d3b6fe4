import * as fs from "node:fs";
import { lstatIfThere, readKernelLink } from "../linux/mod.ts";
import { layerChain, type LayerPlace, placeOf, text } from "./layers.ts";
import { ensureShortName, LINK_NAME, parentLayer, readIfThere } from "./overlay_layer.ts";
import type { StorePaths } from "./paths.ts";
import type { OpenLayers } from "./tables.ts";

/**
 * Looks at the short names of layers: `link`, `l/` and `lower`, by which a mount finds the layers below.
 * Nobody misses them until a container starts without half of its files.
 */
export class ShortNames {
  readonly #layers: OpenLayers;
  readonly #paths: StorePaths;
  /** Ids of the layers that short names lead to. */
  readonly #leadsTo = new Map<string, string | undefined>();

  constructor(layers: OpenLayers, paths: StorePaths) {
    this.#layers = layers;
    this.#paths = paths;
  }

  /** What is wrong with those of a layer. */
  fault(place: LayerPlace, id: string): string | undefined {
    const link = readIfThere(`${place.home}/${id}/link`);
    if (link === undefined) return "its link is missing";
    if (!LINK_NAME.test(link)) return "its link is damaged";
    if (this.#target(`l/${link}`) !== id) return "its short name is missing";
    const parent = text(place.table.get(id)?.["parent"]);
    const lower = readIfThere(`${place.home}/${id}/lower`);
    if (parent === undefined) {
      return lower === undefined ? undefined : "it stands on nothing, and has lower layers";
    }
    const below = layerChain(this.#layers, parent).map((layer) => layer.id);
    const named = (lower ?? "").split(":").map((name) => this.#target(name));
    const same = below.length === named.length && below.every((layer, at) => layer === named[at]);
    return same ? undefined : "its list of lower layers is damaged";
  }

  /** Makes those of a layer anew, and of the layers below it. Needs the write lock. */
  mend(id: string): void {
    const place = placeOf(this.#layers, this.#paths, id);
    if (place === undefined || place.access === "read-only") return;
    if (this.fault(place, id) === undefined) return;
    const parent = text(place.table.get(id)?.["parent"]);
    if (parent !== undefined) this.mend(parent);
    ensureShortName(place, id);
    const below = parent === undefined ? undefined : placeOf(this.#layers, this.#paths, parent);
    const path = `${place.home}/${id}/lower`;
    if (parent === undefined || below === undefined) fs.rmSync(path, { force: true });
    else fs.writeFileSync(path, parentLayer(below, parent).lower, { mode: 0o644 });
    this.#leadsTo.clear();
  }

  #target(name: string): string | undefined {
    if (!name.startsWith("l/") || !LINK_NAME.test(name.slice(2))) return undefined;
    if (this.#leadsTo.has(name)) return this.#leadsTo.get(name);
    const { home, imageHome, additional } = this.#paths;
    const homes = new Set([home, imageHome, ...additional.map((store) => store.home)]);
    let found: string | undefined;
    for (const directory of homes) found ??= layerBehind(`${directory}/${name}`);
    this.#leadsTo.set(name, found);
    return found;
  }
}

/** The layer that a short name leads to. */
function layerBehind(link: string): string | undefined {
  const mode = lstatIfThere(link)?.mode ?? 0;
  if ((mode & fs.constants.S_IFMT) !== fs.constants.S_IFLNK) return undefined;
  return /^\.\.\/([0-9a-f]{64})\/diff$/.exec(readKernelLink(link) ?? "")?.[1];
}
