import { CridError } from "../../failure/mod.ts";
import type { MountInfo } from "../../linux/mod.ts";
import type { MountRequest } from "../types.ts";

/** What the container's whole tree must be for a mount to propagate. */
export type RootfsPropagation = "rshared" | "rslave";

/** How a mount propagates, in the runtime's words. */
export interface Propagation {
  readonly option: "rprivate" | "rslave" | "rshared";
  readonly rootfs: RootfsPropagation | undefined;
}

/**
 * Decides a mount's propagation.
 *
 * @param source Absolute and free of links.
 * @param table The mounts of this process.
 * @param storageRoot Root of the image store: it must not be held busy by private copies of its mounts.
 * @throws {CridError} `invalid_argument` when the host's mount cannot propagate so.
 */
export function mountPropagation(
  request: Pick<MountRequest, "propagation">,
  source: string,
  table: readonly MountInfo[],
  storageRoot: string,
): Propagation {
  const { propagation } = request;
  if (propagation === "private") {
    // Unmounting a container's root file system would fail while a private copy of it lives.
    const spread = contains(source, storageRoot) && isSlaveOrShared(mountOf(source, table));
    return spread
      ? { option: "rslave", rootfs: "rslave" }
      : { option: "rprivate", rootfs: undefined };
  }
  const mount = mountOf(source, table);
  const where = `path ${JSON.stringify(source)} is mounted on ${
    JSON.stringify(mount?.mountPoint ?? "/")
  }`;
  if (propagation === "bidirectional") {
    if (!isShared(mount)) {
      throw new CridError("invalid_argument", `${where} but it is not a shared mount`);
    }
    return { option: "rshared", rootfs: "rshared" };
  }
  if (!isSlaveOrShared(mount)) {
    throw new CridError("invalid_argument", `${where} but it is not a shared or slave mount`);
  }
  return { option: "rslave", rootfs: "rslave" };
}

/** The mount that a path is on: the deepest, and of those on one place the latest. */
function mountOf(path: string, table: readonly MountInfo[]): MountInfo | undefined {
  let best: MountInfo | undefined;
  for (const mount of table) {
    if (!contains(mount.mountPoint, path)) continue;
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount;
  }
  return best;
}

function contains(directory: string, path: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

function isShared(mount: MountInfo | undefined): boolean {
  return mount?.propagation.some((each) => each.startsWith("shared:")) ?? false;
}

function isSlaveOrShared(mount: MountInfo | undefined): boolean {
  return isShared(mount) ||
    (mount?.propagation.some((each) => each.startsWith("master:")) ?? false);
}
