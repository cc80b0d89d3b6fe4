import { rmSync } from "node:fs";
import { join } from "@std/path";
import { CridError, errorMessage } from "../failure/mod.ts";
import { isErrno, resolveInRoot } from "../linux/mod.ts";
import type { MountRequest } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { PodContext } from "./context.ts";
import { readSavedFile, writeFileAtomic } from "./files.ts";
import { labelShared } from "./selinux.ts";

/** Mounts with every image in place of its reference. */
export interface ImageVolumes {
  /** As asked, with image mounts turned into read-only mounts of host paths. */
  readonly mounts: readonly MountRequest[];
  /** Image ids by container path. */
  readonly imageIds: ReadonlyMap<string, string>;
}

/**
 * Mounts the images that a container asks for as volumes; they are read-only and stay until
 * {@linkcode releaseImageVolumes}.
 *
 * @throws {CridError} `invalid_argument` for a sub path that is not there, `not_found` for an image that
 * is not on this node.
 */
export async function mountImageVolumes(
  context: PodContext,
  container: {
    readonly id: string;
    readonly namespace: string;
    readonly mounts: readonly MountRequest[];
  },
): Promise<ImageVolumes> {
  const { id: containerId, namespace, mounts: asked } = container;
  const imageIds = new Map<string, string>();
  const mounts: MountRequest[] = [];
  for (const mount of asked) {
    if (mount.image === undefined) {
      mounts.push(mount);
      continue;
    }
    const { image: _, ...rest } = mount;
    const { reference, subPath, userSpecified = "" } = mount.image;
    const image = await context.images.find(reference);
    if (image === undefined) {
      throw new CridError(
        "not_found",
        `ImageVolumeMountFailed: image "${reference}" does not exist locally`,
      );
    }
    if (image.artifactType === undefined) {
      await context.images.requireAllowed({
        id: image.id,
        asked: reference,
        userSpecified,
        namespace,
      });
    }
    const root = image.artifactType === undefined
      ? await context.store.mountImage(image.id, context.options.selinux?.policy.readOnlyFile)
      : await context.images.artifactDirectory(image.id);
    if (image.artifactType !== undefined) await labelShared(context, root);
    remember(context, containerId, image.id);
    imageIds.set(mount.containerPath, image.id);
    // Other pods use them, too: they are not labelled for one.
    const kind = image.artifactType === undefined ? "image" : "OCI artifact";
    const hostPath = pathInImage(root, subPath, `${kind} volume "${reference}"`);
    // By CRI's definition a mount of an image can be nothing else, whatever is asked.
    mounts.push({ ...rest, hostPath, readonly: true, selinuxRelabel: false });
  }
  return { mounts, imageIds };
}

/** Gives back what {@linkcode mountImageVolumes} has mounted for a container; idempotent. */
export async function releaseImageVolumes(context: PodContext, containerId: string): Promise<void> {
  const ids = context.imageVolumes.get(containerId);
  if (ids === undefined) return;
  context.imageVolumes.delete(containerId);
  // First, since a mount that nobody gives back is better than one that is taken from another container.
  rmSync(recordOf(context, containerId), { force: true });
  for (const id of ids) {
    try {
      await context.store.unmountImage(id);
    } catch (error) {
      log.warn(`unmount image volume ${id}: ${errorMessage(error)}`);
    }
  }
}

/** After a restart: what the container, whole or only half made, has not given back yet. */
export function restoreImageVolumes(context: PodContext, containerId: string): void {
  const text = readSavedFile(recordOf(context, containerId));
  if (text !== undefined) context.imageVolumes.set(containerId, JSON.parse(text));
}

function remember(context: PodContext, containerId: string, imageId: string): void {
  const ids = [...context.imageVolumes.get(containerId) ?? [], imageId];
  context.imageVolumes.set(containerId, ids);
  writeFileAtomic(recordOf(context, containerId), JSON.stringify(ids));
}

/** Ids of images, one for each mount. As the mounts it is gone after a reboot. */
function recordOf({ store }: PodContext, containerId: string): string {
  return join(store.containerRunDir(containerId), "image-volumes.json");
}

function pathInImage(root: string, subPath: string, volume: string): string {
  if (subPath === "") return root;
  const path = existingPath(root, join("/", subPath));
  if (path !== undefined) return path;
  throw new CridError(
    "invalid_argument",
    `ImageVolumeMountFailed: sub path "${subPath}" does not exist in ${volume}`,
  );
}

/** A path through a file, or links in a circle, lead nowhere either. */
function existingPath(root: string, path: string): string | undefined {
  try {
    return resolveInRoot(root, path);
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
