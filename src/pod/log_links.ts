import { symlink } from "node:fs/promises";
import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { isErrno, mount, MountFlag, umount, UmountFlag } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container } from "./container.ts";
import { removeIfAny } from "./files.ts";
import type { SandboxParts } from "./sandbox.ts";

/** A pod may have its own logs mounted into an emptyDir volume, which is named here. */
const NAMES = ["link-logs.crio.io", "io.kubernetes.cri-o.LinkLogs"];
/** Where the kubelet keeps volumes. */
const KUBELET_PODS = "/var/lib/kubelet/pods";

/**
 * The volume of a pod that wants its own logs; `undefined` for all others.
 *
 * @param root Default: the kubelet's.
 */
function volume({ config }: SandboxParts, root: string): string | undefined {
  const name = NAMES.map((key) => config.annotations[key]).find((value) => value);
  if (name === undefined) return undefined;
  for (const part of [name, config.metadata.uid]) {
    if (part.includes("/") || part === "." || part === "..") return undefined;
  }
  return join(root, config.metadata.uid, "volumes/kubernetes.io~empty-dir", name);
}

/** Mounts a pod's log directory over its volume, read-only. A failure does no harm to the pod. */
export function mountLogs(parts: SandboxParts, root = KUBELET_PODS): void {
  const path = volume(parts, root);
  if (path === undefined) return;
  try {
    mount(parts.logDirectory, path, "", MountFlag.BIND);
    mount("", path, "", MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY);
  } catch (error) {
    log.warn(`link the logs of pod sandbox ${parts.id}: ${errorMessage(error)}`, { id: parts.id });
  }
}

/** Undoes {@linkcode mountLogs}; idempotent. */
export function unmountLogs(parts: SandboxParts, root = KUBELET_PODS): void {
  const path = volume(parts, root);
  if (path === undefined) return;
  try {
    for (;;) umount(path, UmountFlag.DETACH | UmountFlag.NOFOLLOW);
  } catch (error) {
    // Nothing, or nothing more, is mounted there.
    if (isErrno(error, "EINVAL", "ENOENT")) return;
    log.warn(`unlink the logs of pod sandbox ${parts.id}: ${errorMessage(error)}`, {
      id: parts.id,
    });
  }
}

/** In a pod's logs a container that knows its id finds its own by a link. */
export async function linkLog({ id, parts }: Container): Promise<void> {
  const { metadata } = parts.config;
  const path = logLink(id, parts.sandbox.parts);
  if (path === undefined) return;
  try {
    await symlink(join(metadata.name, `${metadata.attempt}.log`), path);
  } catch (error) {
    log.warn(`link the log of container ${id}: ${errorMessage(error)}`, { id });
  }
}

/** Undoes {@linkcode linkLog}. */
export async function unlinkLog({ id, parts }: Container): Promise<void> {
  const path = logLink(id, parts.sandbox.parts);
  if (path !== undefined) await removeIfAny(path);
}

function logLink(id: string, sandbox: SandboxParts): string | undefined {
  if (volume(sandbox, KUBELET_PODS) === undefined) return undefined;
  return join(sandbox.logDirectory, `${id}.log`);
}
