import { CridError } from "../failure/mod.ts";
import { ensureHomeMounted } from "./home.ts";
import { openLayers, placeOf } from "./layers.ts";
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
    ensureHomeMounted(place.home, this.#overlay.home);
    using mounts = await this.#tables.mounts.open("write");
    const directory = `${place.home}/${layer}`;
    const count = Number(mounts.get(layer)?.["count"] ?? 0);
    if (!isMounted(directory)) mountOverlay(directory, this.#homes(), how);
    const path = `${directory}/merged`;
    mounts.put({ id: layer, path, count: count + 1 }, "volatile");
    await mounts.save();
    return path;
  }

  /** Unmounts a layer whatever its count; one that is not mounted is no error. */
  async unmount(layer: string): Promise<void> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    const place = placeOf(layers, this.#paths, layer);
    using mounts = await this.#tables.mounts.open("write");
    await unmountLayer(mounts, `${place?.home ?? this.#paths.home}/${layer}`, layer, "renew");
  }

  #homes(): readonly string[] {
    const { home, imageHome } = this.#paths;
    return home === imageHome ? [home] : [home, imageHome];
  }
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
