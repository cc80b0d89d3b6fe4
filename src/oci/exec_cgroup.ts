import process from "node:process";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "@std/path";
import { setTimeout as pause } from "node:timers/promises";
import { type CgroupLayout, detectLayout } from "../cgroup/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import {
  kernelFileExists,
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import type { ExecSyncRequest } from "./types.ts";

/** Neither version tells a writer when the last process is gone: look again. */
const LOOK_MS = 2;
/** A process stuck in the kernel is not waited for longer. */
const KILL_LIMIT_MS = 5000;

/** What a cgroup of v1 must be told before a process can be in it. */
const CPUSET_FILES = ["cpuset.cpus", "cpuset.mems"];

/**
 * A cgroup below the container's for one command, so that all it starts can be found and killed,
 * also what has left its session and its parents.
 */
export class ExecCgroup {
  /** Absolute; the first is where processes are looked for. Empty when the container's is not known. */
  readonly #places: readonly string[];
  /** Flags of `<runtime> exec` that put the process there. */
  readonly runtimeArguments: readonly string[];
  /** Flags of the native starter that put it there, for a runtime that cannot. */
  readonly starterArguments: readonly string[];

  private constructor(
    places: readonly string[] = [],
    runtimeArguments: readonly string[] = [],
    starterArguments: readonly string[] = [],
  ) {
    this.#places = places;
    this.runtimeArguments = runtimeArguments;
    this.starterArguments = starterArguments;
  }

  /** Makes the cgroup. A failure costs only the certainty of a later kill, so it is logged. */
  static async create({ id, bundle, handler }: ExecSyncRequest): Promise<ExecCgroup> {
    try {
      const parents = await containerCgroups(bundle);
      const first = parents.places[0];
      if (first === undefined) return new ExecCgroup();
      const name = `exec-${crypto.randomUUID().slice(0, 8)}`;
      const runc = handler.version.startsWith("runc");
      // runc can be told one hierarchy of v1, the freezer's, which accounts and limits nothing;
      // crun takes what is not in all of them out of the container's.
      const places = (runc ? [first] : parents.places).map((parent) => join(parent, name));
      places.forEach(make);
      if (parents.version === 1) {
        return new ExecCgroup(places, ["--cgroup", runc ? `freezer:${name}` : name]);
      }
      return runc
        ? new ExecCgroup(places, ["--cgroup", name])
        : new ExecCgroup(places, [], ["-c", join(first, name)]);
    } catch (error) {
      log.warn(`no cgroup for an exec in container ${id}: ${errorMessage(error)}`, { id });
      return new ExecCgroup();
    }
  }

  /** Kills every process of the cgroup, and every descendant of `pid`, until none is left. */
  async kill(pid: number | undefined): Promise<void> {
    const end = performance.now() + KILL_LIMIT_MS;
    const stray = pid === undefined ? [] : [pid, ...descendants(pid)];
    killEach(stray);
    const place = this.#places[0];
    while (place !== undefined && performance.now() < end) {
      const alive = processes(place);
      if (alive.length === 0) return;
      this.#killOnce(place, alive);
      await pause(LOOK_MS);
    }
  }

  /** Frozen processes cannot fork away; SIGKILL reaches them when they thaw. */
  #killOnce(place: string, alive: readonly number[]): void {
    if (kernelFileExists(`${place}/cgroup.kill`)) return write(`${place}/cgroup.kill`, "1");
    write(`${place}/freezer.state`, "FROZEN");
    killEach(alive);
    write(`${place}/freezer.state`, "THAWED");
  }

  /** Removes the cgroup; what the command left running in the background stays in the container. */
  remove(): void {
    for (const place of this.#places) {
      try {
        for (const pid of processes(place)) write(`${dirname(place)}/cgroup.procs`, String(pid));
        removeKernelDirectory(place);
      } catch (error) {
        // It goes with the container's cgroup.
        log.debug(`remove cgroup ${basename(place)}: ${errorMessage(error)}`);
      }
    }
  }
}

function make(place: string): void {
  makeKernelDirectory(place);
  for (const file of CPUSET_FILES) {
    const inherited = readKernelFile(`${dirname(place)}/${file}`);
    // Of v2 it is empty for "as the parent", and cannot be written without the controller.
    if (inherited?.trim()) write(`${place}/${file}`, inherited.trim());
  }
}

/** The host's mounts of cgroups, which nobody changes while it runs. */
let layout: CgroupLayout | undefined;

/** The cgroups of the container's first process; of v1 the freezer's first. */
async function containerCgroups(
  bundle: string,
): Promise<{ readonly version: 1 | 2; readonly places: readonly string[] }> {
  const pid = Number(await readFile(join(bundle, "pidfile"), "utf8"));
  const membership = new Map<string, string>();
  for (const line of (readKernelFile(`/proc/${pid}/cgroup`) ?? "").trim().split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    for (const controller of controllers.split(",")) membership.set(controller, path.join(":"));
  }
  const { version, hierarchies } = layout ??= detectLayout();
  const places = hierarchies.flatMap(({ root, controllers }) => {
    const [controller = ""] = version === 2 ? [""] : controllers;
    const path = membership.get(controller) ?? "/";
    // The root cgroup is nobody's own, and what is above ours cannot be named.
    if (path === "/" || path.startsWith("/..")) return [];
    return [{ path: join(root, path), isFreezer: controllers.has("freezer") }];
  });
  places.sort((a, b) => Number(b.isFreezer) - Number(a.isFreezer));
  return { version, places: places.map(({ path }) => path) };
}

function processes(place: string): number[] {
  return (readKernelFile(`${place}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
}

/** Children, their children, and so on; by each thread, as the kernel keeps them. */
function descendants(pid: number): number[] {
  const found: number[] = [];
  for (const thread of listKernelDirectory(`/proc/${pid}/task`) ?? []) {
    const children = readKernelFile(`/proc/${pid}/task/${thread.name}/children`) ?? "";
    for (const child of children.split(" ").filter((text) => text.trim() !== "").map(Number)) {
      found.push(child, ...descendants(child));
    }
  }
  return found;
}

function killEach(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      if (pid > 1) process.kill(pid, "SIGKILL");
    } catch {
      // ESRCH: it is gone already.
    }
  }
}

/** The cgroup or the process may vanish at any time, which is what is wanted. */
function write(file: string, text: string): void {
  try {
    writeKernelFile(file, text);
  } catch (error) {
    log.debug(errorMessage(error));
  }
}
