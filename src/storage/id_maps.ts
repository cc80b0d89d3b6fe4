import * as fs from "node:fs";
import type { IdMap, IdMaps } from "./types.ts";

/** Whether there is anything to map. */
export function hasIdMaps(maps: IdMaps | undefined): maps is IdMaps {
  return maps !== undefined && maps.uids.length + maps.gids.length > 0;
}

/** The host's id of a container's id; one that is not mapped stays as it is. */
export function mappedId(maps: readonly IdMap[], id: number): number {
  const map = maps.find(({ containerId, size }) => id >= containerId && id < containerId + size);
  return map === undefined ? id : map.hostId + id - map.containerId;
}

const SET_ID = 0o6000;

/**
 * Gives every file of a tree to the owner that its ids mean on the host. For kernels and file
 * systems that cannot map ids as they mount: each file is copied up into the container's layer.
 */
export function shiftOwners(directory: string, maps: IdMaps): void {
  shift(directory, maps);
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) shiftOwners(path, maps);
    else shift(path, maps);
  }
}

function shift(path: string, maps: IdMaps): void {
  const { uid, gid, mode } = fs.lstatSync(path);
  fs.lchownSync(path, mappedId(maps.uids, uid), mappedId(maps.gids, gid));
  // A change of owner takes these bits away.
  if ((mode & SET_ID) !== 0 && (mode & fs.constants.S_IFMT) !== fs.constants.S_IFLNK) {
    fs.chmodSync(path, mode & 0o7777);
  }
}
