import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { isErrno, lgetxattr, lremovexattr, lstatIfThere, run } from "../linux/mod.ts";
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
      applyWhiteouts(diff, tree);
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

/**
 * Removes from `tree` what a layer hides or replaces by something of another kind, and from the layer's
 * files the marks that say so.
 */
function applyWhiteouts(diff: string, tree: string): void {
  if (lgetxattr(diff, OPAQUE_XATTR) !== undefined) {
    lremovexattr(diff, OPAQUE_XATTR);
    for (const name of entries(tree)) remove(`${tree}/${name}`);
  }
  for (const entry of fs.readdirSync(diff, { withFileTypes: true })) {
    const [from, to] = [`${diff}/${entry.name}`, `${tree}/${entry.name}`];
    if (isWhiteout(from)) {
      fs.rmSync(from);
      remove(to);
    } else if (entry.isDirectory()) {
      if (!isDirectory(to)) remove(to);
      applyWhiteouts(from, to);
    } else if (isDirectory(to)) remove(to);
  }
}

function isWhiteout(path: string): boolean {
  const file = lstatIfThere(path);
  return file !== undefined && (file.mode & fs.constants.S_IFMT) === fs.constants.S_IFCHR &&
    file.rdevMajor === 0 && file.rdevMinor === 0;
}

function remove(path: string): void {
  fs.rmSync(path, { recursive: true, force: true });
}

function isDirectory(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function entries(directory: string): readonly string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
