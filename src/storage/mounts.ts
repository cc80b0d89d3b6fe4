import { CridError } from "../failure/mod.ts";
import { ensureHomeMounted } from "./home.ts";
import { type LayerPlace, openLayers, placeOf } from "./layers.ts";
import type { OverlayOptions } from "./options.ts";
import { isMounted, mountOverlay, type OverlayMount, unmountOverlay } from "./overlay_mount.ts";
import type { StorePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import type { Tables } from "./tables.ts";

/**
 * Mounted layers and how often each is. The counts are in mountpoints.json, where podman looks before
 * it unmounts the driver's home.
 */
export class Mounts {
  readonly #tables: Tables;
  readonly #paths: StorePaths;
  readonly #overlay: OverlayOptions;

  constructor(tables: Tables, paths: StorePaths, overlay: OverlayOptions) {
    this.#tables = tables;
    this.#paths = paths;
    this.#overlay = overlay;
  }

  /** Mounts a layer, or counts one more user of its mount. @throws {CridError} `not_found`. */
  async mount(layer: string, how: OverlayMount): Promise<string> {
    using _storage = await this.#tables.storage.acquire("write");
    using layers = await openLayers(this.#tables, this.#paths, "read");
    const place = placeOf(layers, this.#paths, layer);
    if (place === undefined) {
      throw new CridError("not_found", `mount layer ${layer}: it is not in the store`);
    }
    if (place.access === "read-write") ensureHomeMounted(place.home, this.#overlay.home);
    using mounts = await this.#tables.mounts.open("write");
    const directory = this.#mountDirectory(place, layer);
    const count = Number(mounts.get(layer)?.["count"] ?? 0);
    if (!isMounted(directory)) {
      const content = `${place.home}/${layer}`;
      mountOverlay({ directory, content, homes: layerHomes(this.#paths) }, how);
    }
    const path = `${directory}/merged`;
    mounts.put({ id: layer, path, count: count + 1 }, "volatile");
    await mounts.save();
    return path;
  }

  /**
   * Unmounts a layer; one that is not mounted is no error.
   *
   * @param users `all`: whatever its count is. `one`: only if there is no other user.
   */
  async unmount(layer: string, users: "all" | "one" = "all"): Promise<void> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    const place = placeOf(layers, this.#paths, layer);
    using mounts = await this.#tables.mounts.open("write");
    const directory = place === undefined
      ? `${this.#paths.home}/${layer}`
      : this.#mountDirectory(place, layer);
    const record = mounts.get(layer);
    const left = users === "all" ? 0 : Number(record?.["count"] ?? 0) - 1;
    if (record === undefined || left <= 0 || !isMounted(directory)) {
      return await unmountLayer(mounts, directory, layer, "renew");
    }
    mounts.put({ ...record, count: left }, "volatile");
    await mounts.save();
  }

  /** Where `merged` is; for a layer of an additional store below the run root. */
  #mountDirectory({ home, access }: LayerPlace, layer: string): string {
    return access === "read-write" ? `${home}/${layer}` : `${this.#paths.runHome}/${layer}`;
  }
}

/** Where the short names of layers may be. */
function layerHomes({ home, imageHome, additional }: StorePaths): readonly string[] {
  const own = home === imageHome ? [home] : [home, imageHome];
  return [...own, ...additional.map((store) => store.home)];
}

/**
 * Unmounts a layer and forgets its count, with the lock on the mount points held.
 *
 * @param mountPoint See {@linkcode unmountOverlay}.
 */
export async function unmountLayer(
  mounts: OpenTable,
  directory: string,
  layer: string,
  mountPoint: "renew" | "leave",
): Promise<void> {
  unmountOverlay(directory, mountPoint);
  mounts.delete(layer);
  await mounts.save();
}
