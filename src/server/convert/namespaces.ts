import { CridError } from "../../failure/mod.ts";
import type { NamespaceOptions } from "../../oci/mod.ts";
import type { IdMap, IdMaps } from "../../storage/mod.ts";
import type { IDMapping, NamespaceOption, UserNamespace } from "../../gen/runtime/v1/api.ts";
import { namespaceMode } from "./enums.ts";

/** Whose namespaces a request asks for; none given is the same as an empty message. */
export function readNamespaces(options: NamespaceOption | undefined): NamespaceOptions {
  return {
    network: namespaceMode.read(options?.network ?? 0),
    pid: namespaceMode.read(options?.pid ?? 0),
    ipc: namespaceMode.read(options?.ipc ?? 0),
    targetId: options?.targetId ?? "",
    user: readUserNamespace(options?.usernsOptions),
  };
}

export function writeNamespaces(options: NamespaceOptions): NamespaceOption {
  const { user } = options;
  return {
    network: namespaceMode.write(options.network),
    pid: namespaceMode.write(options.pid),
    ipc: namespaceMode.write(options.ipc),
    targetId: options.targetId,
    usernsOptions: user.mode === "node" ? undefined : {
      mode: namespaceMode.write(user.mode),
      uids: user.maps.uids.map(writeIdMap),
      gids: user.maps.gids.map(writeIdMap),
    },
  };
}

/** `undefined` when there are no mappings at all. */
export function readIdMaps(
  uids: readonly IDMapping[],
  gids: readonly IDMapping[],
): IdMaps | undefined {
  if (uids.length === 0 && gids.length === 0) return undefined;
  return { uids: uids.map(readIdMap), gids: gids.map(readIdMap) };
}

export function writeIdMap(map: IdMap): IDMapping {
  return { hostId: map.hostId, containerId: map.containerId, length: map.size };
}

function readIdMap(map: IDMapping): IdMap {
  return { containerId: map.containerId, hostId: map.hostId, size: map.length };
}

function readUserNamespace(options: UserNamespace | undefined): NamespaceOptions["user"] {
  const mode = options === undefined ? "node" : namespaceMode.read(options.mode);
  if (options === undefined || mode === "node") {
    return { mode: "node", maps: { uids: [], gids: [] } };
  }
  if (mode !== "pod") {
    throw new CridError("invalid_argument", `user namespace: unsupported pod mode: ${mode}`);
  }
  return {
    mode,
    maps: { uids: onlyMap(options.uids, "uids"), gids: onlyMap(options.gids, "gids") },
  };
}

/** CRI wants exactly one run of ids, and root has to be in it. */
function onlyMap(mappings: readonly IDMapping[], what: string): readonly IdMap[] {
  const [map] = mappings;
  if (map === undefined || mappings.length > 1) {
    throw new CridError(
      "invalid_argument",
      `user namespace: ${what}: want exactly one mapping, got ${mappings.length}`,
    );
  }
  if (map.containerId !== 0 || map.length === 0) {
    throw new CridError(
      "invalid_argument",
      `user namespace: ${what}: the mapping must start at container id 0 and have a length`,
    );
  }
  return [readIdMap(map)];
}
