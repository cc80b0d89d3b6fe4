import { CridError, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { hasIdMaps } from "./id_maps.ts";
import { dictionary } from "./image_records.ts";
import type { JsonRecord } from "./json_file.ts";
import { randomId } from "./layer_id.ts";
import {
  discardContainerLayer,
  dropLayer,
  LayerTrash,
  openLayers,
  ownPlace,
  placeOf,
  strings,
  text,
} from "./layers.ts";
import { unmountLayer } from "./mounts.ts";
import { isId, type StorePaths } from "./paths.ts";
import type { OpenTable } from "./record_table.ts";
import { type OpenImages, openImages, type OpenLayers, type Tables } from "./tables.ts";
import type { ContainerRecord, IdMap, IdMaps, NewContainer, SelinuxLabels } from "./types.ts";

/** The containers of a store: records, writable layers and directories. */
export class Containers {
  readonly #tables: Tables;
  readonly #paths: StorePaths;

  constructor(tables: Tables, paths: StorePaths) {
    this.#tables = tables;
    this.#paths = paths;
  }

  async list(): Promise<readonly ContainerRecord[]> {
    using containers = await this.#tables.containers.open("read");
    return containers.derive(containerRecords);
  }

  async get(id: string): Promise<ContainerRecord | undefined> {
    const record = await this.raw(id);
    return record === undefined ? undefined : containerRecord(record);
  }

  /** The record as it is in the file. */
  async raw(id: string): Promise<JsonRecord | undefined> {
    using containers = await this.#tables.containers.open("read");
    return containers.get(id);
  }

  async create(container: NewContainer): Promise<ContainerRecord> {
    refuseBadId(container);
    await using trash = new LayerTrash();
    using layers = await openLayers(this.#tables, this.#paths, "write");
    using images = await openImages(this.#tables, "read");
    using containers = await this.#tables.containers.open("write");
    refuseIfTaken(container, containers);
    const parent = topLayer(container, images, layers);
    const layer = randomId();
    await this.#makeLayer(layer, parent, layers, container.idMaps);
    try {
      layers.own.put(layerOf(container, layer, parent), "volatile");
      await layers.own.save();
      const record = newRecord(container, layer);
      Deno.mkdirSync(this.directory(container.id), { recursive: true, mode: 0o700 });
      Deno.mkdirSync(this.runDirectory(container.id), { recursive: true, mode: 0o700 });
      containers.put(record, "volatile");
      await containers.save();
      return containerRecord(record);
    } catch (error) {
      await this.#takeBack(container.id, layer, layers, trash);
      throw error;
    }
  }

  /** Whoever tries again and again on a full disk must not fill it further. */
  async #takeBack(
    id: string,
    layer: string,
    layers: OpenLayers,
    trash: LayerTrash,
  ): Promise<void> {
    const place = ownPlace(layers, this.#paths);
    this.#discardDirectories(id, trash);
    try {
      dropLayer(place, layer);
      await layers.save();
      discardContainerLayer(place, this.#paths, layer, trash);
    } catch (error) {
      log.warn("The layer of a container that was not made is left to the garbage collection", {
        layer,
        error: errorMessage(error),
      });
    }
  }

  #discardDirectories(id: string, trash: LayerTrash): void {
    trash.addInPlace(`${this.#paths.containers}/${id}`);
    trash.addInPlace(`${this.#paths.runContainers}/${id}`);
  }

  async setMetadata(id: string, metadata: string): Promise<void> {
    using containers = await this.#tables.containers.open("write");
    const record = containers.get(id);
    if (record === undefined) {
      throw new CridError("not_found", `container ${id} is not in the store`);
    }
    containers.put({ ...record, metadata });
    await containers.save();
  }

  async delete(id: string): Promise<void> {
    await using trash = new LayerTrash();
    using layers = await openLayers(this.#tables, this.#paths, "write");
    using containers = await this.#tables.containers.open("write");
    using mounts = await this.#tables.mounts.open("write");
    const record = containers.get(id);
    if (record === undefined) return;
    const layer = text(record["layer"]);
    const place = layer === undefined ? undefined : placeOf(layers, this.#paths, layer);
    if (layer !== undefined) {
      await unmountLayer(mounts, this.#paths, place?.home ?? this.#paths.home, layer);
    }
    containers.delete(id);
    await containers.save();
    this.#discardDirectories(id, trash);
    if (place === undefined || layer === undefined) return;
    dropLayer(place, layer);
    await layers.save();
    discardContainerLayer(place, this.#paths, layer, trash);
  }

  directory(id: string): string {
    return `${this.#paths.containers}/${id}/userdata`;
  }

  runDirectory(id: string): string {
    return `${this.#paths.runContainers}/${id}/userdata`;
  }

  async #makeLayer(
    id: string,
    parent: string | undefined,
    layers: OpenLayers,
    maps: IdMaps | undefined,
  ): Promise<void> {
    const below = parent === undefined
      ? undefined
      : { ...placeOf(layers, this.#paths, parent)!, id: parent };
    const { home } = ownPlace(layers, this.#paths);
    await this.#paths.driver.makeContainerLayer(home, id, below, maps);
  }
}

/** Computed once for each state of the files. */
function containerRecords(records: Iterable<JsonRecord>): readonly ContainerRecord[] {
  return Array.from(records, containerRecord);
}

/** A container as callers see it. */
export function containerRecord(record: JsonRecord): ContainerRecord {
  return {
    id: record.id,
    names: strings(record["names"]),
    image: text(record["image"]) ?? "",
    layer: text(record["layer"]) ?? "",
    metadata: text(record["metadata"]) ?? "",
    created: new Date(text(record["created"]) ?? 0),
    idMaps: { uids: idMap(record["uidmap"]), gids: idMap(record["gidmap"]) },
    labels: labelsOf(record),
  };
}

function labelsOf(record: JsonRecord): SelinuxLabels | undefined {
  const flags = dictionary(record["flags"]);
  const [process, mount] = [text(flags["ProcessLabel"]) ?? "", text(flags["MountLabel"]) ?? ""];
  return process === "" && mount === "" ? undefined : { process, mount };
}

/** The container's own mount options, which replace those of the store. */
export function mountOptionsOf(record: JsonRecord): readonly string[] | undefined {
  const options = dictionary(record["flags"])["MountOpts"];
  return options === undefined ? undefined : strings(options);
}

/** Whether a sync of the container's files need not wait for the disk. */
export function isVolatileContainer(record: JsonRecord): boolean {
  return dictionary(record["flags"])["Volatile"] === true;
}

function newRecord(container: NewContainer, layer: string): JsonRecord {
  const { idMaps: maps, labels } = container;
  return {
    id: container.id,
    names: container.names,
    image: container.image ?? "",
    layer,
    metadata: container.metadata,
    created: new Date().toISOString(),
    ...(hasIdMaps(maps) ? { uidmap: rawMap(maps.uids), gidmap: rawMap(maps.gids) } : {}),
    flags: {
      MountLabel: labels?.mount ?? "",
      ProcessLabel: labels?.process ?? "",
      Volatile: true,
    },
  };
}

function layerOf(container: NewContainer, id: string, parent: string | undefined): JsonRecord {
  const label = container.labels?.mount ?? "";
  return {
    id,
    names: container.names.map((name) => `${name}-layer`),
    ...(parent === undefined ? {} : { parent }),
    ...(label === "" ? {} : { mountlabel: label }),
    created: new Date().toISOString(),
  };
}

function refuseBadId(container: NewContainer): void {
  if (!isId(container.id)) {
    throw new CridError(
      "invalid_argument",
      `create container ${JSON.stringify(container.id)}: an id has 64 hexadecimal digits`,
    );
  }
}

function refuseIfTaken(container: NewContainer, containers: OpenTable): void {
  const names = containers.derive(containersByName);
  const owner = containers.get(container.id)?.id ??
    container.names.map((name) => names.get(name)).find((id) => id !== undefined);
  if (owner === undefined) return;
  throw new CridError(
    "already_exists",
    `create container ${container.names[0] ?? container.id}: container ${owner} has its id or name`,
  );
}

function containersByName(records: Iterable<JsonRecord>): Map<string, string> {
  const names = new Map<string, string>();
  for (const record of records) {
    for (const name of strings(record["names"])) names.set(name, record.id);
  }
  return names;
}

function topLayer(
  container: NewContainer,
  images: OpenImages,
  layers: OpenLayers,
): string | undefined {
  if (container.image === undefined) return undefined;
  const image = images.get(container.image);
  if (image === undefined) {
    throw new CridError(
      "not_found",
      `create container ${container.id}: image ${container.image} is not in the store`,
    );
  }
  const top = text(image["layer"]);
  if (top !== undefined && layers.get(top) === undefined) {
    throw new CridError(
      "not_found",
      `create container ${container.id}: layer ${top} of image ${container.image} is not in the ` +
        "store; remove the image and pull it again",
    );
  }
  return top;
}

function rawMap(map: readonly IdMap[]): unknown {
  return map.map(({ containerId, hostId, size }) => ({
    container_id: containerId,
    host_id: hostId,
    size,
  }));
}

function idMap(value: unknown): readonly IdMap[] {
  if (!Array.isArray(value)) return [];
  return value.map(dictionary).map((entry) => ({
    containerId: Number(entry["container_id"]),
    hostId: Number(entry["host_id"]),
    size: Number(entry["size"]),
  }));
}
