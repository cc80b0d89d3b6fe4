import type { RuntimeHandler } from "../oci/mod.ts";
import type { PodContext } from "./context.ts";

/** Moves a container's new monitor out of crid's cgroup, where the cgroup driver wants that. */
export function monitorPlacer(
  { cgroups }: PodContext,
  parent: string,
  id: string,
  { monitorCgroup }: RuntimeHandler,
): (pid: number) => Promise<void> {
  const path = cgroups.monitorPath(parent, id, monitorCgroup);
  return async (pid) => {
    if (path !== undefined) await cgroups.place(path, pid);
  };
}
