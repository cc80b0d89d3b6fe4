/** How a container's ids map to the host's; the shape of storage's own. */
interface IdMap {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

interface IdMaps {
  readonly uids: readonly IdMap[];
  readonly gids: readonly IdMap[];
}

/** An id map as the OCI runtime spec writes it. */
export interface SpecIdMap {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** Writes id maps in the form of the OCI runtime spec. */
export function specIdMaps(maps: readonly IdMap[]): SpecIdMap[] {
  return maps.map(({ containerId, hostId, size }) => ({
    containerID: containerId,
    hostID: hostId,
    size,
  }));
}

/** The host's id of a container's id; `undefined` when it is not mapped. Without maps they are the same. */
export function hostId(maps: readonly IdMap[], id: number): number | undefined {
  if (maps.length === 0) return id;
  const map = maps.find((map) => id >= map.containerId && id < map.containerId + map.size);
  return map && map.hostId + (id - map.containerId);
}

/** Whether there is anything to map. */
export function hasIdMaps<T extends IdMaps>(maps: T | undefined): maps is T {
  return maps !== undefined && (maps.uids.length > 0 || maps.gids.length > 0);
}
