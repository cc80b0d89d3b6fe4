import { CridError } from "../failure/mod.ts";
import { parseMountInfo, readKernelFile } from "../linux/mod.ts";

/** One mounted tree of cgroups. */
export interface Hierarchy {
  /** Where its root, as this process sees it, is mounted. Paths of cgroups are relative to it. */
  readonly root: string;
  /** `cpu`, `memory` … or `name=systemd`; of v2 what its root offers. */
  readonly controllers: ReadonlySet<string>;
}

/** How the host has mounted its cgroups. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Exactly one for version 2. A v2 tree beside v1 ones is not in the list: no runtime uses it. */
  readonly hierarchies: readonly Hierarchy[];
}

const USUAL_PLACE = "/sys/fs/cgroup";

/**
 * Finds the mounted hierarchies.
 *
 * Inside a container the mounts may show only a part of each tree; runtimes then take that part for
 * the whole, and so do we: all paths are relative to the mount points.
 *
 * @param mountinfo Text of /proc/self/mountinfo.
 * @param membership Text of /proc/self/cgroup, which names the v1 controllers.
 * @throws {CridError} `failed_precondition` when there is none.
 */
export function detectLayout(
  mountinfo: string = readKernelFile("/proc/self/mountinfo") ?? "",
  membership: string = readKernelFile("/proc/self/cgroup") ?? "",
): CgroupLayout {
  const v1 = v1ControllerSets(membership);
  const names = new Set(v1.flat());
  const found = new Map<string, Hierarchy>();
  let unified: string | undefined;
  for (const { type, mountPoint, superOptions } of parseMountInfo(mountinfo)) {
    if (type === "cgroup2") unified = better(unified, mountPoint);
    if (type !== "cgroup") continue;
    const controllers = superOptions.filter((option) => names.has(option));
    if (controllers.length === 0) continue;
    const key = controllers.toSorted().join();
    const root = better(found.get(key)?.root, mountPoint);
    found.set(key, { root, controllers: new Set(controllers) });
  }
  const hierarchies = [...found.values()];
  if (hierarchies.some((each) => [...each.controllers].some((name) => !isNamed(name)))) {
    return { version: 1, hierarchies };
  }
  if (unified !== undefined) {
    const offered = readKernelFile(`${unified}/cgroup.controllers`)?.trim() ?? "";
    const controllers = new Set(offered === "" ? [] : offered.split(" "));
    return { version: 2, hierarchies: [{ root: unified, controllers }] };
  }
  throw new CridError(
    "failed_precondition",
    `find the cgroups: no hierarchy is mounted; mount cgroup2 on ${USUAL_PLACE}`,
  );
}

/** Whether a v1 hierarchy's name stands for no controller: `name=systemd`. */
export function isNamed(controller: string): boolean {
  return controller.startsWith("name=");
}

/** `4:cpu,cpuacct:/path` is one v1 hierarchy, `0::/path` the unified one. */
function v1ControllerSets(membership: string): string[][] {
  return membership.split("\n")
    .map((line) => line.split(":")[1] ?? "")
    .filter((controllers) => controllers !== "")
    .map((controllers) => controllers.split(","));
}

/** The usual place wins over a bind mount elsewhere; of two mounts on one place either name is right. */
function better(known: string | undefined, point: string): string {
  if (known === undefined) return point;
  const usual = (path: string) => path === USUAL_PLACE || path.startsWith(`${USUAL_PLACE}/`);
  return usual(point) && !usual(known) ? point : known;
}
