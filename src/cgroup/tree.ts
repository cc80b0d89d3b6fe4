import { setTimeout as pause } from "node:timers/promises";
import { CridError } from "../failure/mod.ts";
import {
  KernelFileError,
  kernelFileExists,
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../linux/mod.ts";
import type { CgroupLayout, Hierarchy } from "./layout.ts";

const EBUSY = 16;
const EOPNOTSUPP = 95;

/** A process that has ended leaves its cgroup a moment later, and v1 tells nobody: look again. */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 50;
const REMOVE_LIMIT_MS = 2_000;

/** Makes a cgroup and those above it in one hierarchy. */
export function makeCgroup(layout: CgroupLayout, { root, controllers }: Hierarchy, path: string) {
  let place = root;
  for (const name of path.split("/").filter((part) => part !== "")) {
    const parent = place;
    place = `${parent}/${name}`;
    if (layout.version === 2) offerControllers(parent, controllers);
    const made = makeKernelDirectory(place);
    if (made && layout.version === 1 && controllers.has("cpuset")) inheritCpuset(parent, place);
  }
}

/** A new v1 cpuset is empty and takes no process before it has CPUs and memory nodes. */
function inheritCpuset(parent: string, child: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const value = readKernelFile(`${parent}/${file}`)?.trim() ?? "";
    if (value !== "") writeKernelFile(`${child}/${file}`, value);
  }
}

/**
 * A v2 cgroup has the controllers that the one above offers. A cgroup with processes of its own must
 * offer none, and its children do without: asked for cpu or pids alone, the kernel would make it the
 * root of a threaded tree, whose children take no processes at all.
 */
function offerControllers(parent: string, controllers: ReadonlySet<string>): void {
  // The root, which may hold processes beside its children, has no type.
  const isRoot = !kernelFileExists(`${parent}/cgroup.type`);
  if (!isRoot && holdsProcesses(parent)) return;
  const offered = new Set(readKernelFile(`${parent}/cgroup.subtree_control`)?.trim().split(" "));
  for (const controller of controllers) {
    if (offered.has(controller)) continue;
    try {
      writeKernelFile(`${parent}/cgroup.subtree_control`, `+${controller}`);
    } catch (error) {
      if (!(error instanceof KernelFileError)) throw error;
    }
  }
}

/** A cgroup and all below it, parents first; empty when it is gone. */
export function cgroupTree(place: string): readonly string[] {
  const children = listKernelDirectory(place);
  if (children === undefined) return [];
  const below = children.filter((entry) => entry.isDirectory)
    .flatMap((entry) => cgroupTree(`${place}/${entry.name}`));
  return [place, ...below];
}

/** Pids of a cgroup and all below it in one hierarchy. */
export function treeProcesses(place: string): readonly number[] {
  return cgroupTree(place).flatMap(cgroupProcesses);
}

/** Whether a v2 cgroup has processes of its own, also such as this PID namespace does not see. */
function holdsProcesses(place: string): boolean {
  try {
    return readKernelFile(`${place}/cgroup.procs`)?.trim() !== "";
  } catch (error) {
    if (error instanceof KernelFileError && error.errno === EOPNOTSUPP) return true;
    throw error;
  }
}

/** Pids of one cgroup. A 0 stands for a process that this PID namespace does not see. */
function cgroupProcesses(place: string): readonly number[] {
  try {
    const text = readKernelFile(`${place}/cgroup.procs`) ?? "";
    return text.split("\n").map(Number).filter((pid) => pid > 0);
  } catch (error) {
    // A threaded v2 cgroup lists its processes in the domain above.
    if (error instanceof KernelFileError && error.errno === EOPNOTSUPP) return [];
    throw error;
  }
}

/**
 * Removes a cgroup with its children, the deepest first. One in use is tried again for a while.
 *
 * @throws {CridError} `failed_precondition` when processes stay in it.
 */
export async function removeTree(place: string): Promise<void> {
  const end = performance.now() + REMOVE_LIMIT_MS;
  for (let wait = FIRST_RETRY_MS;; wait = Math.min(2 * wait, LAST_RETRY_MS)) {
    if (removedTree(place)) return;
    if (performance.now() > end) break;
    await pause(wait);
  }
  const pids = treeProcesses(place).slice(0, 10).join(", ");
  throw new CridError(
    "failed_precondition",
    `remove cgroup ${place}: still in use${pids === "" ? "" : ` by processes ${pids}`}`,
  );
}

function removedTree(place: string): boolean {
  if (!kernelFileExists(place)) return true;
  try {
    for (const each of cgroupTree(place).toReversed()) removeKernelDirectory(each);
    return true;
  } catch (error) {
    if (error instanceof KernelFileError && error.errno === EBUSY) return false;
    throw error;
  }
}
