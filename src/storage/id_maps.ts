import * as fs from "node:fs";
import {
  type EntryName,
  entryName,
  type Fd,
  FileType,
  lstatAt,
  open,
  openDirectoryAt,
  OpenFlag,
  readDirectory,
  setMode,
  setOwner,
} from "../linux/mod.ts";
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
export function shiftOwners(path: string, maps: IdMaps): void {
  using directory = open(path, OpenFlag.READ | OpenFlag.DIRECTORY);
  shift(directory, entryName("."), maps);
  shiftBelow(directory, maps);
}

function shiftBelow(directory: Fd, maps: IdMaps): void {
  // All at once: on overlay each file that changes its owner is made anew in the directory.
  for (const [name] of Array.from(readDirectory(directory))) {
    if (shift(directory, name, maps) !== FileType.DIRECTORY) continue;
    using below = openDirectoryAt(directory, name);
    shiftBelow(below, maps);
  }
}

/** @returns What kind of file it is. */
function shift(directory: Fd, name: EntryName, maps: IdMaps): number {
  const { uid, gid, mode } = lstatAt(directory.number, name.subarray(0, -1));
  const kind = mode & fs.constants.S_IFMT;
  setOwner(directory.number, name, mappedId(maps.uids, uid), mappedId(maps.gids, gid));
  // A change of owner takes these bits away.
  if ((mode & SET_ID) !== 0 && kind !== fs.constants.S_IFLNK) {
    setMode(directory.number, name, mode & 0o7777);
  }
  return kind;
}
