import { CridError } from "../failure/mod.ts";
import { btrfsDriver } from "./btrfs_driver.ts";
import { leavesHome } from "./options.ts";
import { overlayDriver } from "./overlay_driver.ts";
import type { MountedLayer, OverlayMount } from "./overlay_mount.ts";
import type { IdMaps, StoreOptions } from "./types.ts";
import { vfsDriver } from "./vfs_driver.ts";

/** A layer and where it is. */
export interface LayerAt {
  readonly home: string;
  readonly id: string;
  readonly access: "read-write" | "read-only";
}

/** How layers are kept on the disk, and how one with all that is below it becomes a tree of files. */
export interface GraphDriver {
  readonly name: "overlay" | "vfs" | "btrfs";
  /** Makes a home. Needs storage.lock. */
  makeHome(home: string): void;
  /** Makes sure that a home is as it has to be for what is mounted in it. Needs storage.lock. */
  keepHome(home: string): void;
  /** Lets a home go of which nothing is mounted. */
  leaveHome(home: string): void;
  /** Removes what leads to no layer any more. */
  tidyHome(home: string): void;
  /** The directory of a layer, which comes and goes as a whole. */
  directory(home: string, id: string): string;
  /** Where a layer's files are. */
  content(home: string, id: string): string;
  /** Names of what may be layers' directories. */
  names(home: string): readonly string[];
  /**
   * Makes what can be made of a layer without holding a lock.
   *
   * @param staged Directory with the unpacked files in `diff`.
   * @param below Finds the layer below; `undefined` for a base layer.
   */
  prepareLayer(staged: string, below: (() => Promise<LayerAt>) | undefined): Promise<void>;
  /** Puts a prepared layer to its place. */
  publishLayer(staged: string, home: string, id: string, below: LayerAt | undefined): void;
  /** Makes the writable layer of a container. */
  makeContainerLayer(
    home: string,
    id: string,
    below: LayerAt | undefined,
    maps: IdMaps | undefined,
  ): Promise<void>;
  /** Forgets a layer whose directory is about to go. */
  forgetLayer(home: string, id: string): void;
  /** Makes a layer's tree be there; returns where. */
  mount(layer: MountedLayer, how: OverlayMount): string;
  isMounted(directory: string): boolean;
  /** @param mountPoint See `unmountOverlay`. */
  unmount(directory: string, mountPoint: "renew" | "leave"): void;
}

/**
 * The driver that a store is kept by.
 *
 * @throws {CridError} `unimplemented` for one that crid does not have.
 */
export function graphDriver({ driver, graphRoot, options }: StoreOptions): GraphDriver {
  if (driver === "overlay" || driver === "overlay2") return overlayDriver(leavesHome(options));
  if (driver === "vfs") return vfsDriver();
  if (driver === "btrfs") return btrfsDriver();
  const why = driver === "zfs"
    ? "its volumes are made by programs and a kernel module of its own; overlay works on zfs, too"
    : "there is no such driver";
  throw new CridError(
    "unimplemented",
    `open the storage in ${graphRoot}: storage driver ${driver}: ${why}: set storage_driver = ` +
      '"overlay" (or "vfs") in [crio] or driver in storage.conf, and pull the images again',
  );
}
