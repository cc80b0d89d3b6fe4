import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { containerRecord, Containers, isVolatileContainer, mountOptionsOf } from "./containers.ts";
import { collectGarbage } from "./garbage.ts";
import { Images } from "./images.ts";
import { chainLayerId } from "./layer_id.ts";
import { layerRecord, openLayers, placeOf } from "./layers.ts";
import { StagedLayer } from "./layer_staging.ts";
import { hasIdMaps } from "./id_maps.ts";
import { Mounts } from "./mounts.ts";
import { type OverlayOptions, overlayOptions } from "./options.ts";
import type { MappedIds } from "./overlay_mount.ts";
import { type StorePaths, storePaths } from "./paths.ts";
import { storeTables, type Tables } from "./tables.ts";
import type {
  ContainerRecord,
  Digest,
  ImageRecord,
  LayerRecord,
  LayerStaging,
  NewContainer,
  NewImage,
  Store,
  StoreOptions,
  StoreUsage,
} from "./types.ts";
import { directoryUsage, ImageUsage } from "./usage.ts";

/**
 * Opens a store of containers/storage, and makes it if there is none.
 *
 * @throws {CridError} `unimplemented` for another driver or an option that changes the layout.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = new DiskStore(options);
  await store.prepare();
  return store;
}

class DiskStore implements Store {
  readonly options: StoreOptions;
  readonly #paths: StorePaths;
  readonly #tables: Tables;
  readonly #overlay: OverlayOptions;
  readonly #images: Images;
  readonly #containers: Containers;
  readonly #mounts: Mounts;
  readonly #usage: ImageUsage;

  constructor(options: StoreOptions) {
    this.options = options;
    this.#paths = storePaths(options);
    this.#overlay = overlayOptions(options.options);
    this.#tables = storeTables(this.#paths);
    this.#images = new Images(this.#tables, this.#paths);
    this.#containers = new Containers(this.#tables, this.#paths);
    this.#mounts = new Mounts(this.#tables, this.#paths);
    this.#usage = new ImageUsage(this.#tables, this.#paths);
  }

  /** Makes the directories and mounts the driver's home. */
  async prepare(): Promise<void> {
    const paths = this.#paths;
    const directories = [
      paths.graphRoot,
      paths.imageRoot,
      paths.runRoot,
      paths.layers,
      paths.imageLayers,
      paths.images,
      paths.containers,
      paths.runLayers,
      paths.runContainers,
      `${paths.runRoot}/${paths.driver.name}-locks`,
    ];
    if (paths.earlierImages !== undefined) directories.push(paths.earlierImages);
    for (const path of directories) fs.mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const { root } of paths.additional) {
      if (!fs.existsSync(root)) log.warn("Additional image store is not there", { store: root });
    }
    for (const reserve of this.#tables.reserves) reserve.fill();
    using _storage = await this.#tables.storage.acquire("write");
    for (const home of new Set([paths.home, paths.imageHome])) paths.driver.makeHome(home);
  }

  async images(): Promise<readonly ImageRecord[]> {
    return (await this.#images.index()).images;
  }
  image(idOrName: string): Promise<ImageRecord | undefined> {
    return this.#images.find(idOrName);
  }
  imageData(id: string, key: string): Promise<Uint8Array> {
    return this.#images.data(id, key);
  }
  imageSize(id: string): Promise<number> {
    return this.#images.size(id);
  }
  createImage(image: NewImage): Promise<ImageRecord> {
    return this.#images.create(image);
  }
  setImageNames(id: string, names: readonly string[]): Promise<void> {
    return this.#images.setNames(id, names);
  }
  deleteImage(id: string): Promise<void> {
    return this.#images.delete(id);
  }

  async layer(id: string): Promise<LayerRecord | undefined> {
    using layers = await openLayers(this.#tables, this.#paths, "read");
    const record = placeOf(layers, this.#paths, id)?.table.get(id);
    return record === undefined ? undefined : layerRecord(record);
  }
  layerId(parent: string | undefined, diffId: Digest): string {
    return chainLayerId(parent, diffId);
  }
  stageLayer(parent: string | undefined, diffId: Digest): Promise<LayerStaging> {
    const store = { tables: this.#tables, paths: this.#paths, overlay: this.#overlay };
    return StagedLayer.create(store, parent, diffId);
  }

  containers(): Promise<readonly ContainerRecord[]> {
    return this.#containers.list();
  }
  container(id: string): Promise<ContainerRecord | undefined> {
    return this.#containers.get(id);
  }
  createContainer(container: NewContainer): Promise<ContainerRecord> {
    return this.#containers.create(container);
  }
  setContainerMetadata(id: string, metadata: string): Promise<void> {
    return this.#containers.setMetadata(id, metadata);
  }
  deleteContainer(id: string): Promise<void> {
    return this.#containers.delete(id);
  }

  async mountContainer(id: string, userNamespace?: string): Promise<string> {
    const record = await this.#containers.raw(id);
    if (record === undefined) {
      throw new CridError("not_found", `mount container ${id}: it is not in the store`);
    }
    const container = containerRecord(record);
    return await this.#mounts.mount(container.layer, {
      access: "read-write",
      options: mountOptionsOf(record) ?? this.#overlay.mountOptions,
      durability: isVolatileContainer(record) ? "volatile" : "durable",
      label: container.labels?.mount ?? "",
      ...mappedIds(container, userNamespace),
    });
  }
  async unmountContainer(id: string): Promise<void> {
    const layer = (await this.#containers.get(id))?.layer ?? "";
    if (layer !== "") await this.#mounts.unmount(layer);
  }

  async mountImage(id: string, label = ""): Promise<string> {
    const layer = (await this.#images.index()).byId.get(id)?.layer;
    if (layer === undefined) {
      throw new CridError("not_found", `mount image ${id}: it is not in the store or has no layer`);
    }
    return await this.#mounts.mount(layer, {
      access: "read-only",
      options: [...this.#overlay.mountOptions, "nosuid", "nodev"],
      durability: "durable",
      label,
    });
  }
  async unmountImage(id: string): Promise<void> {
    const layer = (await this.#images.index()).byId.get(id)?.layer;
    if (layer !== undefined) await this.#mounts.unmount(layer, "one");
  }

  containerDir(id: string): string {
    return this.#containers.directory(id);
  }
  containerRunDir(id: string): string {
    return this.#containers.runDirectory(id);
  }
  async containerUpperDir(id: string): Promise<string | undefined> {
    const layer = (await this.#containers.get(id))?.layer ?? "";
    const { driver, home } = this.#paths;
    return layer === "" ? undefined : driver.content(home, layer);
  }

  collectGarbage(): Promise<void> {
    return collectGarbage(this.#tables, this.#paths);
  }

  async imageFsUsage(): Promise<StoreUsage & { readonly mountpoint: string }> {
    return { ...await this.#usage.measure(), mountpoint: this.#paths.images };
  }
  async containerFsUsage(): Promise<StoreUsage & { readonly mountpoint: string }> {
    let { bytes, inodes } = await directoryUsage(this.#paths.containers);
    for (const container of await this.#containers.list()) {
      const { driver, home } = this.#paths;
      const upper = await directoryUsage(driver.content(home, container.layer));
      bytes += upper.bytes;
      inodes += upper.inodes;
    }
    return { bytes, inodes, mountpoint: this.#paths.containers };
  }

  /** Containers stay mounted; the home is let go when nothing is. */
  async [Symbol.asyncDispose](): Promise<void> {
    using storage = await this.#tables.storage.acquire("write");
    using _layers = await openLayers(this.#tables, this.#paths, "write");
    using mounts = await this.#tables.mounts.open("read");
    if ([...mounts.records()].some((mount) => Number(mount["count"]) > 0)) return;
    storage.touch();
    const { driver, home, imageHome } = this.#paths;
    for (const each of new Set([home, imageHome])) driver.leaveHome(each);
  }
}

/** @throws {CridError} `invalid_argument` when a container with id maps comes without a namespace. */
function mappedIds(
  { id, idMaps }: ContainerRecord,
  userNamespace: string | undefined,
): { readonly mapped?: MappedIds } {
  if (!hasIdMaps(idMaps)) return {};
  if (userNamespace !== undefined) return { mapped: { userNamespace, maps: idMaps } };
  throw new CridError(
    "invalid_argument",
    `mount container ${id}: it has id maps, and no user namespace with them was given`,
  );
}
