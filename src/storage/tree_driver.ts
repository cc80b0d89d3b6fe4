import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import {
  entryName,
  type Fd,
  type FileStat,
  type FileTime,
  FileType,
  isDirectory,
  lgetxattr,
  lremovexattr,
  lstatAtIfThere,
  open,
  openDirectoryAt,
  OpenFlag,
  readDirectory,
  removeTreeAt,
  run,
  setTime,
  statFd,
} from "../linux/mod.ts";
import type { GraphDriver, LayerAt } from "./graph_driver.ts";
import { shiftOwners } from "./id_maps.ts";
import { removeTree } from "./temp_dir.ts";

/** Mode of the root directory of a layer without parent. */
export const BASE_MODE = 0o555;
const OPAQUE_XATTR = "trusted.overlay.opaque";
/** A copy of a whole root file system takes its time. */
const COPY_MS = 30 * 60_000;

/** How a driver of whole trees keeps them. */
export interface TreeKeeping {
  readonly name: "vfs" | "btrfs";
  /** The directory in the driver's home that has the trees. */
  readonly folder: string;
  /** @throws {CridError} When the trees cannot be kept there. */
  checkHome(home: string): void;
  /** Makes `tree`: a copy of the tree `below`, or an empty one with the mode of a base layer's root. */
  begin(tree: string, below: string | undefined): Promise<void>;
  /** Forgets what is kept of a tree beside it. */
  forget(home: string, id: string): void;
  leaveHome(home: string): void;
}

/** Every layer is a whole tree: a copy of the one below, with its own changes. */
export function treeDriver(keeping: TreeKeeping): GraphDriver {
  const { name, folder } = keeping;
  const directory = (home: string, id: string) => `${home}/${folder}/${id}`;
  const path = (layer: LayerAt | undefined) => layer && directory(layer.home, layer.id);
  return {
    name,
    directory,
    content: directory,
    names: (home) => fs.readdirSync(`${home}/${folder}`),
    makeHome(home) {
      fs.mkdirSync(home, { recursive: true, mode: 0o700 });
      keeping.checkHome(home);
      fs.mkdirSync(`${home}/${folder}`, { recursive: true, mode: 0o700 });
    },
    keepHome: () => {},
    leaveHome: keeping.leaveHome,
    tidyHome: () => {},
    async prepareLayer(staged, below) {
      const diff = `${staged}/diff`;
      const tree = `${staged}/tree`;
      await keeping.begin(tree, path(await below?.()));
      hideAndReplace(diff, tree);
      const { mode, uid, gid } = fs.statSync(tree);
      await copyTree(diff, tree);
      // An archive's entry for the root changes nothing.
      fs.chownSync(tree, uid, gid);
      fs.chmodSync(tree, mode & 0o7777);
    },
    publishLayer: (staged, home, id) => fs.renameSync(`${staged}/tree`, directory(home, id)),
    async makeContainerLayer(home, id, below, maps) {
      const tree = directory(home, id);
      try {
        await keeping.begin(tree, path(below));
        if (maps !== undefined) shiftOwners(tree, maps);
      } catch (error) {
        await removeTree(tree);
        throw error;
      }
    },
    forgetLayer: keeping.forget,
    mount: ({ content }) => content,
    isMounted: () => false,
    unmount: () => {},
  };
}

/**
 * Copies all of a tree into another one, with everything that the files have; blocks are shared if
 * possible.
 */
export async function copyTree(from: string, to: string): Promise<void> {
  const flags = ["--archive", "--reflink=auto", "--remove-destination"];
  const { code, stderr } = await run("cp", [...flags, "--", `${from}/.`, to], {
    timeoutMs: COPY_MS,
  });
  if (code === 0) return;
  const said = typeof stderr === "string" ? stderr : new TextDecoder().decode(stderr);
  throw new CridError(
    /No space left|Disk quota/.test(said) ? "resource_exhausted" : "internal",
    `copy ${from} to ${to}: ${said.trim()}`,
  );
}

function hideAndReplace(diff: string, tree: string): void {
  using from = open(diff, OpenFlag.READ | OpenFlag.DIRECTORY);
  using to = open(tree, OpenFlag.READ | OpenFlag.DIRECTORY);
  applyWhiteouts(from, to);
}

/**
 * Removes from `tree` what a layer hides or replaces by something of another kind, and from the layer's
 * files the marks that say so. By descriptors and bytes: names need not be text, and a link in the tree
 * leads nowhere.
 *
 * @param tree `undefined` where the tree has no such directory.
 */
function applyWhiteouts(diff: Fd, tree: Fd | undefined): void {
  const isOpaque = takeOpaqueMark(diff);
  if (tree !== undefined && isOpaque) {
    for (const [name] of Array.from(readDirectory(tree))) removeTreeAt(tree, name);
  }
  const { modified } = statFd(diff);
  let marks = 0;
  for (const [name] of Array.from(readDirectory(diff))) {
    const file = lstatAtIfThere(diff, name);
    const below = tree && lstatAtIfThere(tree, name);
    const isMark = isWhiteout(file);
    if (isMark) {
      removeTreeAt(diff, name);
      marks++;
    }
    if (tree !== undefined && (isMark || isDirectory(file) !== isDirectory(below))) {
      removeTreeAt(tree, name);
    }
    if (!isDirectory(file)) continue;
    using from = openDirectoryAt(diff, name);
    using to = isDirectory(below) ? openDirectoryAt(tree!, name) : undefined;
    applyWhiteouts(from, to);
  }
  // The marks are no change to the directory.
  if (marks > 0) setTime(diff.number, entryName("."), fileTime(modified));
}

function fileTime(modified: number): FileTime {
  const seconds = Math.floor(modified);
  return { seconds, nanoseconds: Math.floor((modified - seconds) * 1e9) };
}

/** Whether the directory hides all that is below it; the mark is gone afterwards. */
function takeOpaqueMark(directory: Fd): boolean {
  const path = `/proc/self/fd/${directory.number}/.`;
  if (lgetxattr(path, OPAQUE_XATTR) === undefined) return false;
  lremovexattr(path, OPAQUE_XATTR);
  return true;
}

function isWhiteout(file: FileStat | undefined): boolean {
  return file !== undefined && (file.mode & fs.constants.S_IFMT) === FileType.CHARACTER &&
    file.rdevMajor === 0 && file.rdevMinor === 0;
}
