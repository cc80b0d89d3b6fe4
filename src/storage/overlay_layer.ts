import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { readKernelFile } from "../linux/mod.ts";
import { mappedId } from "./id_maps.ts";
import { randomLinkName } from "./layer_id.ts";
import type { IdMaps } from "./types.ts";

/** As many lowers as containers/storage allows. */
const MAX_DEPTH = 500;
/** What short names look like. */
export const LINK_NAME = /^[A-Z2-7]{26}$/;
/** Mode of the root directory of a layer without parent. */
const BASE_MODE = 0o555;

/** Who owns a layer's root directory, and its mode. */
export interface RootOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a layer stands on. */
export interface ParentLayer {
  /** What goes into the child's `lower`: the parent's short name, then its own lowers. */
  readonly lower: string;
  readonly root: RootOwner;
}

/** Reads what a child of a layer needs to know. */
export function parentLayer(
  place: { readonly home: string; readonly access: "read-write" | "read-only" },
  id: string,
): ParentLayer {
  const directory = `${place.home}/${id}`;
  const link = `l/${readLinkName(place, id)}`;
  const below = readIfThere(`${directory}/lower`);
  const lower = below === undefined ? link : `${link}:${below}`;
  if (lower.split(":").length > MAX_DEPTH) {
    throw new CridError("failed_precondition", `layer ${id}: max depth exceeded (${MAX_DEPTH})`);
  }
  const { mode, uid, gid } = fs.statSync(`${directory}/diff`);
  return { lower, root: { mode: mode & 0o7777, uid, gid } };
}

/**
 * Completes a layer directory: everything but the link in `l/`, which is to be made last, when the
 * directory is at its place.
 *
 * @param directory Made when missing; may hold a `diff` already.
 * @param maps Of a container's layer: its root directory belongs to the mapped owner.
 * @returns The short name that is to lead to it.
 */
export function makeLayerDirectory(
  directory: string,
  parent: ParentLayer | undefined,
  maps: IdMaps = { uids: [], gids: [] },
): string {
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const root = parent?.root ?? { mode: BASE_MODE, uid: 0, gid: 0 };
  Deno.mkdirSync(`${directory}/diff`, { recursive: true });
  fs.chownSync(`${directory}/diff`, mappedId(maps.uids, root.uid), mappedId(maps.gids, root.gid));
  fs.chmodSync(`${directory}/diff`, root.mode);
  fs.mkdirSync(`${directory}/work`, { mode: 0o700 });
  fs.mkdirSync(`${directory}/merged`, { mode: 0o700 });
  if (parent === undefined) fs.mkdirSync(`${directory}/empty`, { mode: 0o700 });
  else fs.writeFileSync(`${directory}/lower`, parent.lower, { mode: 0o644 });
  const link = randomLinkName();
  fs.writeFileSync(`${directory}/link`, link, { mode: 0o644 });
  return link;
}

/** Makes the short name of a layer. */
export function linkLayer(home: string, id: string, link: string): void {
  fs.symlinkSync(`../${id}/diff`, `${home}/l/${link}`);
}

/** Removes the short name of a layer whose directory is still there. */
export function unlinkLayer(home: string, id: string): void {
  const link = readIfThere(`${home}/${id}/link`);
  if (link !== undefined && LINK_NAME.test(link)) {
    fs.rmSync(`${home}/l/${link}`, { force: true });
  }
}

/**
 * The directories below a layer, topmost first, each by its short name.
 *
 * @param homes Where to look for a short name: the driver's home, then those of image stores.
 */
export function lowerDirectories(homes: readonly string[], directory: string): string[] {
  const lower = readIfThere(`${directory}/lower`);
  if (lower === undefined || lower === "") return [];
  return lower.split(":").map((name) => {
    const home = homes.length === 1
      ? homes[0]
      : homes.find((home) => fs.existsSync(`${home}/${name}`)) ?? homes[0];
    return `${home}/${name}`;
  });
}

function readLinkName(
  { home, access }: { readonly home: string; readonly access: "read-write" | "read-only" },
  id: string,
): string {
  const known = readIfThere(`${home}/${id}/link`);
  if (known !== undefined && LINK_NAME.test(known)) return known;
  if (access === "read-write") return ensureShortName({ home }, id);
  throw new CridError(
    "failed_precondition",
    `layer ${id}: its link in the additional image store ${home} is missing; ` +
      "run podman once on that store to make it anew",
  );
}

/** Makes a lost short name anew, as podman does, and returns it. */
export function ensureShortName({ home }: { readonly home: string }, id: string): string {
  const known = readIfThere(`${home}/${id}/link`);
  const link = known !== undefined && LINK_NAME.test(known) ? known : randomLinkName();
  fs.rmSync(`${home}/l/${link}`, { force: true, recursive: true });
  linkLayer(home, id, link);
  if (link !== known) fs.writeFileSync(`${home}/${id}/link`, link, { mode: 0o644 });
  return link;
}

/** The text of a small file; `undefined` when it is not there. A check reads thousands in a row. */
export function readIfThere(path: string): string | undefined {
  return readKernelFile(path);
}
