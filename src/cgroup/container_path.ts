import { basename, normalize } from "@std/path";
import { slicePath } from "./systemd/slice.ts";

/**
 * Where a container's cgroup is, told by its parent alone: below a slice systemd has made a scope
 * of it. So containers from before a change of `cgroup_manager` are found, too.
 *
 * @param parent As a driver's `parent` has returned it.
 */
export function containerPath(parent: string, id: string): string {
  if (!parent.endsWith(".slice")) return normalize(`/${parent}/crio-${id}`);
  return normalize(`${slicePath(basename(parent))}/crio-${id}.scope`);
}

/** Where a pod's cgroup is, told by its parent alone. */
export function podPath(parent: string): string {
  return normalize(parent.endsWith(".slice") ? slicePath(basename(parent)) : `/${parent}`);
}

/** The directory that stands for a pod, told by its parent alone. */
export function sandboxPath(parent: string, id: string): string {
  return normalize(`${podPath(parent)}/crio-${id}`);
}
