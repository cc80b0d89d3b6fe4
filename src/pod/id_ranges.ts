import { CridError } from "../failure/mod.ts";
import type { IdMap } from "../oci/mod.ts";

/** Ids of the host from `start` on. */
export interface IdRange {
  readonly start: number;
  readonly size: number;
}

/** More than Linux has. */
const MAX_ID = 2 ** 32;

/**
 * Reads `container:host:size`, several with commas.
 *
 * @throws {CridError} `invalid_argument`: `invalid argument: "…"`.
 */
export function parseIdMaps(text: string): IdMap[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const [, containerId, hostId, size] = /^(\d{1,10}):(\d{1,10}):([1-9]\d{0,9})$/.exec(part) ?? [];
    const map = { containerId: Number(containerId), hostId: Number(hostId), size: Number(size) };
    if (map.containerId + map.size <= MAX_ID && map.hostId + map.size <= MAX_ID) return map;
    throw new CridError("invalid_argument", `invalid argument: "${part}"`);
  });
}

/** The ranges of a user in the text of /etc/subuid or /etc/subgid. */
export function subordinateIds(text: string, user: string): IdRange[] {
  return text.split("\n").flatMap((line) => {
    const [name, start, size] = line.trim().split(":");
    const range = { start: Number(start), size: Number(size) };
    return name === user && range.start >= 0 && range.size > 0 ? [range] : [];
  });
}

/**
 * The first of `size` ids in a row that nobody has.
 *
 * @throws {CridError} `resource_exhausted`.
 */
export function freeRange(
  ranges: readonly IdRange[],
  used: readonly IdMap[],
  size: number,
): number {
  const taken = used.toSorted((a, b) => a.hostId - b.hostId);
  for (const { start, size: room } of ranges) {
    let at = start;
    for (const { hostId, size: length } of taken) {
      if (hostId + length <= at) continue;
      if (hostId >= at + size) break;
      at = hostId + length;
    }
    if (at + size <= start + room) return at;
  }
  throw new CridError(
    "resource_exhausted",
    `no ${size} ids in a row are free for a user namespace: give the user "containers" more in ` +
      "/etc/subuid and /etc/subgid",
  );
}

/**
 * Maps the ids from 0 to `size`: as given, and what is left of them to the host's ids from `start`.
 */
export function fill(given: readonly IdMap[], size: number, start: number): IdMap[] {
  const maps: IdMap[] = [];
  let container = 0;
  let host = start;
  for (const map of given.toSorted((a, b) => a.containerId - b.containerId)) {
    const gap = Math.min(map.containerId, size) - container;
    if (gap > 0) maps.push({ containerId: container, hostId: host, size: gap });
    host += Math.max(gap, 0);
    maps.push(map);
    container = map.containerId + map.size;
  }
  if (container < size) {
    maps.push({ containerId: container, hostId: host, size: size - container });
  }
  return maps;
}
