import * as fs from "node:fs";
import { CridError, errorMessage } from "../failure/mod.ts";
import {
  isErrno,
  MAX_MOUNT_DATA,
  mount,
  MountAttribute,
  MountFlag,
  mountId,
  mountNew,
  umount,
  UmountFlag,
} from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { shiftOwners } from "./id_maps.ts";
import { MappedHomes, removeMappedHomes } from "./mapped_homes.ts";
import { lowerDirectories } from "./overlay_layer.ts";
import type { IdMaps } from "./types.ts";

/** How a layer is mounted. */
export interface OverlayMount {
  /** `read-only`: the layer is the topmost lower, nothing is written. */
  readonly access: "read-write" | "read-only";
  /** Words as in fstab: flags of the mount and options of overlay. */
  readonly options: readonly string[];
  /** `volatile`: a sync of the container's files does not wait for the disk. */
  readonly durability: "durable" | "volatile";
  /** SELinux label, or `""`. */
  readonly label: string;
  /** Shows the layers below with the ids of a user namespace. */
  readonly mapped?: MappedIds;
}

/** How the owners of a container's files are mapped. */
export interface MappedIds {
  /** Path of a user namespace with these maps. */
  readonly userNamespace: string;
  readonly maps: IdMaps;
}

/** Words that are flags of the mount, not options of overlay. */
const FLAG_WORDS: Readonly<Record<string, number>> = {
  ro: MountFlag.RDONLY,
  nodev: MountFlag.NODEV,
  nosuid: MountFlag.NOSUID,
  noexec: MountFlag.NOEXEC,
  noatime: MountFlag.NOATIME,
  nodiratime: MountFlag.NODIRATIME,
  relatime: MountFlag.RELATIME,
  strictatime: MountFlag.STRICTATIME,
  sync: MountFlag.SYNCHRONOUS,
  dirsync: MountFlag.DIRSYNC,
};
const IGNORED_WORDS = new Set(["rw", "dev", "suid", "exec", "async", "defaults"]);

/** What is mounted, and where. */
export interface MountedLayer {
  /** Gets `merged`, and what else the mount needs. */
  readonly directory: string;
  /** The layer's own directory: the same, unless it is in a store that is only read. */
  readonly layer: string;
  /** Where its files are. */
  readonly content: string;
  /** Where short names are: the driver's home, then those of image stores. */
  readonly homes: readonly string[];
}

/**
 * Mounts a layer at its `merged`.
 *
 * @throws {CridError} `internal`, naming the layer.
 */
export function mountOverlay(layer: MountedLayer, how: OverlayMount): string {
  const { directory } = layer;
  const target = `${directory}/merged`;
  // Made by the kernel as a guard against mounting twice; it outlives a volatile mount on purpose.
  const guard = `${directory}/work/work/incompat/volatile`;
  if (fs.existsSync(guard)) fs.rmSync(guard, { recursive: true });
  Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
  try {
    if (how.mapped === undefined) mountWith(overlayArguments(layer, how), target);
    else mountMapped(layer, how, how.mapped);
  } catch (error) {
    throw new CridError(
      "internal",
      `mount the layer in ${layer.layer}: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
  return target;
}

/** What the kernel says when it, or the file system of the layers, cannot map ids. */
const CANNOT_MAP = ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM"];

/** Without help from the kernel the owners of all files are changed once. */
function mountMapped(layer: MountedLayer, how: OverlayMount, mapped: MappedIds): void {
  const { directory, homes } = layer;
  const target = `${directory}/merged`;
  const shifted = `${directory}/shifted`;
  try {
    if (!fs.existsSync(shifted)) {
      using mappedHomes = new MappedHomes(directory, homes, mapped.userNamespace);
      return mountWith(overlayArguments({ ...layer, homes: mappedHomes.paths }, how), target);
    }
  } catch (error) {
    if (!isErrno(error, ...CANNOT_MAP)) throw error;
    log.debug(`the owners of all files in ${directory} are changed: ${errorMessage(error)}`);
  }
  mountWith(overlayArguments(layer, how), target);
  if (fs.existsSync(shifted)) return;
  try {
    shiftOwners(target, mapped.maps);
  } catch (error) {
    umount(target, UmountFlag.DETACH);
    throw error;
  }
  fs.writeFileSync(shifted, "");
}

/**
 * Unmounts whatever is mounted at a layer's `merged`.
 *
 * @param mountPoint `"renew"` makes the mount point anew: a mount that someone else has there in
 * another namespace does not stick to it. `"leave"` for a layer that is about to be deleted.
 */
export function unmountOverlay(directory: string, mountPoint: "renew" | "leave"): void {
  const target = `${directory}/merged`;
  removeMappedHomes(directory);
  if (!isMounted(directory)) return;
  while (isMounted(directory)) umount(target, UmountFlag.DETACH | UmountFlag.NOFOLLOW);
  if (mountPoint === "leave") return;
  fs.mkdirSync(`${target}.1`, { recursive: true, mode: 0o700 });
  fs.renameSync(`${target}.1`, target);
}

/** Whether something is mounted at a layer's `merged`. */
export function isMounted(directory: string): boolean {
  try {
    return mountId(`${directory}/merged`) !== mountId(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

interface OverlayArguments {
  readonly lowers: readonly string[];
  readonly options: ReadonlyArray<readonly [key: string, value: string | undefined]>;
  readonly flags: number;
}

function overlayArguments(layer: MountedLayer, how: OverlayMount): OverlayArguments {
  const { directory, content, homes } = layer;
  const lowers = lowerDirectories(homes, layer.layer);
  const options: [string, string | undefined][] = [];
  let flags = 0;
  if (how.access === "read-only") {
    lowers.unshift(content);
    flags |= MountFlag.RDONLY;
  } else {
    options.push(["upperdir", content], ["workdir", `${directory}/work`]);
    if (how.durability === "volatile") options.push(["volatile", undefined]);
  }
  // Overlay wants a lower, and two of them when there is no upper.
  if (lowers.length === 0 || (how.access === "read-only" && lowers.length === 1)) {
    fs.mkdirSync(`${directory}/empty`, { recursive: true, mode: 0o700 });
    lowers.push(`${directory}/empty`);
  }
  for (const word of how.options) {
    const flag = FLAG_WORDS[word];
    if (flag !== undefined) flags |= flag;
    else if (!IGNORED_WORDS.has(word)) options.push(keyValue(word));
  }
  if (how.label !== "") options.push(["context", how.label]);
  return { lowers, options, flags };
}

function keyValue(word: string): [string, string | undefined] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

/** One string if it fits into a page and needs no escapes; else fsconfig(2), an option at a time. */
function mountWith({ lowers, options, flags }: OverlayArguments, target: string): void {
  const words = options.map(([key, value]) => {
    if (value === undefined) return key;
    return key === "context" ? `context="${value}"` : `${key}=${value}`;
  });
  const data = [`lowerdir=${lowers.join(":")}`, ...words].join(",");
  const plain = lowers.every((path) => !/[,:\\]/.test(path)) && !/[,:\\]/.test(target);
  if (plain && data.length <= MAX_MOUNT_DATA) {
    mount("overlay", target, "overlay", flags, data);
    return;
  }
  let attributes = 0;
  if (flags & MountFlag.RDONLY) attributes |= MountAttribute.RDONLY;
  if (flags & MountFlag.NODEV) attributes |= MountAttribute.NODEV;
  if (flags & MountFlag.NOSUID) attributes |= MountAttribute.NOSUID;
  if (flags & MountFlag.NOEXEC) attributes |= MountAttribute.NOEXEC;
  const each = lowers.map((path): [string, string] => ["lowerdir+", path]);
  try {
    mountNew("overlay", target, [["source", "overlay"], ...each, ...options], attributes);
  } catch (error) {
    if (!isErrno(error, "EINVAL", "ENOSYS")) throw error;
    throw new CridError(
      "failed_precondition",
      `mount ${lowers.length} layers: the kernel takes no more than a page of options; ` +
        "Linux 6.7 or newer has no such limit, or use a shorter storage root",
      { cause: error },
    );
  }
}
