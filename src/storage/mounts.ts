import { CridError } from "../failure/mod.ts";
import { type LayerPlace, openLayers, placeOf } from "./layers.ts";
import type { MountedLayer, OverlayMount } from "./overlay_mount.ts";
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

  constructor(tables: Tables, paths: StorePaths) {
    this.#tables = tables;
    this.#paths = paths;
  }

  /** Mounts a layer, or counts one more user of its mount. @throws {CridError} `not_found`. */
  async mount(layer: string, how: OverlayMount): Promise<string> {
    using _storage = await this.#tables.storage.acquire("write");
    using layers = await openLayers(this.#tables, this.#paths, "read");
    const place = placeOf(layers, this.#paths, layer);
    if (place === undefined) {
      throw new CridError("not_found", `mount layer ${layer}: it is not in the store`);
    }
    const { driver } = this.#paths;
    if (place.access === "read-write") driver.keepHome(place.home);
    using mounts = await this.#tables.mounts.open("write");
    const directory = this.#mountDirectory(place, layer);
    const mounted = driver.isMounted(directory);
    // A record of what is not mounted is from before a reboot.
    const count = mounted ? Number(mounts.get(layer)?.["count"] ?? 0) : 0;
    const path = mounted
      ? String(mounts.get(layer)?.["path"] ?? `${directory}/merged`)
      : driver.mount(mountedLayer(this.#paths, place, directory, layer), how);
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
    const { driver, home } = this.#paths;
    const directory = place === undefined
      ? driver.directory(home, layer)
      : this.#mountDirectory(place, layer);
    const record = mounts.get(layer);
    const left = users === "all" ? 0 : Number(record?.["count"] ?? 0) - 1;
    if (record === undefined || left <= 0 || !driver.isMounted(directory)) {
      driver.unmount(directory, "renew");
      mounts.delete(layer);
      return await mounts.save();
    }
    mounts.put({ ...record, count: left }, "volatile");
    await mounts.save();
  }

  /** Where `merged` is; for a layer of an additional store below the run root. */
  #mountDirectory({ home, access }: LayerPlace, layer: string): string {
    const { driver, runHome } = this.#paths;
    return access === "read-write" ? driver.directory(home, layer) : `${runHome}/${layer}`;
  }
}

function mountedLayer(
  { driver, home, imageHome, additional }: StorePaths,
  place: LayerPlace,
  directory: string,
  layer: string,
): MountedLayer {
  const homes = new Set([home, imageHome, ...additional.map((store) => store.home)]);
  return {
    directory,
    layer: driver.directory(place.home, layer),
    content: driver.content(place.home, layer),
    homes: [...homes],
  };
}

/** Unmounts a layer that is about to be deleted, with the lock on the mount points held. */
export async function unmountLayer(
  mounts: OpenTable,
  { driver }: StorePaths,
  home: string,
  layer: string,
): Promise<void> {
  driver.unmount(driver.directory(home, layer), "leave");
  mounts.delete(layer);
  await mounts.save();
}
