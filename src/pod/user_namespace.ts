import { CridError } from "../failure/mod.ts";
import type { IdMap, IdMaps, SecurityContext } from "../oci/mod.ts";
import { fill, freeRange, type IdRange, parseIdMaps } from "./id_ranges.ts";
import type { StringMap } from "./types.ts";

/** Annotations that ask for a user namespace; the first wins. */
const NAMES = ["userns-mode.crio.io", "io.kubernetes.cri-o.userns-mode"];
/** Ids in a namespace whose size nobody gives. */
const DEFAULT_SIZE = 65_536;

/** What the configuration says of user namespaces. */
export interface UserNamespaceOptions {
  /** For every pod that asks for no other; `undefined` for none. */
  readonly staticMaps: IdMaps | undefined;
  /** Lowest ids of the host that may be asked for; negative for no bound. */
  readonly minimumUid: number;
  readonly minimumGid: number;
}

/** Ids of the host that may be given out, and those that are given out already. */
export interface AvailableIds {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  readonly used: readonly IdMaps[];
}

/** What `userns-mode` says, taken apart. */
interface Mode {
  readonly kind: "auto" | "private";
  readonly size: number;
  /** The pod's user is the same inside and outside. */
  readonly keepId: boolean;
  /** The pod's user is root inside. */
  readonly mapToRoot: boolean;
  readonly uids: readonly IdMap[];
  readonly gids: readonly IdMap[];
}

/** Whether {@linkcode annotatedMaps} has something to do. */
export function asksForMaps(annotations: StringMap): boolean {
  return NAMES.some((name) => annotations[name]);
}

/**
 * The maps that a pod's annotation asks for.
 *
 * @param available Asked for only when ids have to be found.
 * @throws {CridError} `invalid_argument` for an annotation that makes no sense, `resource_exhausted`
 * when no ids are left.
 */
export async function annotatedMaps(
  annotations: StringMap,
  security: SecurityContext,
  options: UserNamespaceOptions,
  available: () => Promise<AvailableIds>,
): Promise<IdMaps> {
  const text = NAMES.map((name) => annotations[name]).find((value) => value) ?? "";
  const mode = parseMode(text);
  const uids = [...mode.uids, ...single(mode, security.runAsUser, text)];
  const gids = [...mode.gids, ...single(mode, security.runAsGroup ?? security.runAsUser, text)];
  checkMinimum("uid", uids, options.minimumUid);
  checkMinimum("gid", gids, options.minimumGid);
  if (mode.kind === "private") return privateMaps(uids, gids, options, text);
  const { uids: freeUids, gids: freeGids, used } = await available();
  return {
    uids: fill(uids, mode.size, freeRange(freeUids, used.flatMap((maps) => maps.uids), mode.size)),
    gids: fill(gids, mode.size, freeRange(freeGids, used.flatMap((maps) => maps.gids), mode.size)),
  };
}

function privateMaps(
  uids: readonly IdMap[],
  gids: readonly IdMap[],
  { staticMaps }: UserNamespaceOptions,
  text: string,
): IdMaps {
  if (uids.length > 0 && gids.length > 0) {
    return { uids: uids.toSorted(byContainerId), gids: gids.toSorted(byContainerId) };
  }
  if (uids.length + gids.length === 0 && staticMaps !== undefined) return staticMaps;
  throw invalid(`invalid userns mode: "${text}": give uidmapping and gidmapping, or use auto`);
}

function byContainerId(a: IdMap, b: IdMap): number {
  return a.containerId - b.containerId;
}

/** `auto:size=1000;keep-id=true` and the like. */
function parseMode(text: string): Mode {
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.slice(0, colon);
  if (kind !== "auto" && kind !== "private") throw invalid(`invalid userns mode: "${text}"`);
  const values = new Map<string, string>();
  for (const part of colon < 0 ? [] : text.slice(colon + 1).split(";")) {
    const [, key, value] = /^([a-z-]+)=(.*)$/.exec(part) ?? [];
    if (key === undefined || !KEYS.has(key)) throw invalid(`invalid argument: "${part}"`);
    values.set(key, value ?? "");
  }
  const size = values.get("size") ?? String(DEFAULT_SIZE);
  if (!/^[1-9]\d{0,9}$/.test(size)) throw invalid(`invalid argument: "size=${size}"`);
  const [keepId, mapToRoot] = ["keep-id", "map-to-root"].map((key) => values.get(key) === "true");
  if (keepId && mapToRoot) {
    throw invalid(`cannot use both keep-id and map-to-root: ${text}`);
  }
  return {
    kind,
    size: Number(size),
    keepId: keepId ?? false,
    mapToRoot: mapToRoot ?? false,
    uids: parseIdMaps(values.get("uidmapping") ?? ""),
    gids: parseIdMaps(values.get("gidmapping") ?? ""),
  };
}

const KEYS = new Set(["size", "keep-id", "map-to-root", "uidmapping", "gidmapping"]);

/** The one id that `keep-id` and `map-to-root` are about. */
function single(mode: Mode, id: number | undefined, text: string): IdMap[] {
  if (!mode.keepId && !mode.mapToRoot) return [];
  if (id === undefined) {
    throw invalid(`userns mode "${text}": the pod's security context has no user to keep`);
  }
  return [{ containerId: mode.keepId ? id : 0, hostId: id, size: 1 }];
}

function checkMinimum(kind: "uid" | "gid", maps: readonly IdMap[], minimum: number): void {
  const low = minimum < 0 ? undefined : maps.find(({ hostId }) => hostId < minimum);
  if (low === undefined) return;
  throw invalid(
    `user namespace: host ${kind} ${low.hostId} is below minimum_mappable_${kind} ${minimum}`,
  );
}

function invalid(message: string): CridError {
  return new CridError("invalid_argument", message);
}
