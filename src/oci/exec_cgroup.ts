import process from "node:process";
import { readFileSync } from "node:fs";
import { dirname, join } from "@std/path";
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
import { UNIFIED } from "./hybrid.ts";
import type { ExecSyncRequest } from "./types.ts";

/** Neither version tells a writer when the last process is gone: look again. */
const LOOK_MS = 2;
/** The host's mounts of cgroups, which nobody changes while it runs. */
let layout: CgroupLayout | undefined;
/** A process stuck in the kernel is not waited for longer. */
const KILL_LIMIT_MS = 5000;

/**
 * A cgroup of its own for one command, so that all it starts can be found and killed, also what has
 * left its session and its parents. It is below the container's; on v1 only in the freezer's
 * hierarchy, which accounts and limits nothing.
 */
export class ExecCgroup {
  /** Absolute; `undefined` when there is none. */
  readonly #place: string | undefined;
  /** Flags of `<runtime> exec` that put the process there. */
  readonly runtimeArguments: readonly string[];
  /** Flags of the native starter that put it there, for a runtime that cannot. */
  readonly starterArguments: readonly string[];

  private constructor(
    place?: string,
    runtimeArguments: readonly string[] = [],
    starterArguments: readonly string[] = [],
  ) {
    this.#place = place;
    this.runtimeArguments = runtimeArguments;
    this.starterArguments = starterArguments;
  }

  /** Makes the cgroup. A failure costs only the certainty of a later kill, so it is logged. */
  static create({ id, bundle, handler }: ExecSyncRequest): ExecCgroup {
    const name = `exec-${crypto.randomUUID().slice(0, 8)}`;
    try {
      if (handler.hideUnified) {
        // What the runtime does not see it does not leave: the command inherits the v2 cgroup.
        const place = join(UNIFIED, `crid-${name}`);
        makeKernelDirectory(place);
        return new ExecCgroup(place, [], ["-j", place]);
      }
      const parent = containerCgroup(bundle);
      if (parent === undefined) return new ExecCgroup();
      const place = join(parent.path, name);
      makeKernelDirectory(place);
      // crun's --cgroup takes a process of v1 out of all other hierarchies of the container.
      return handler.version.startsWith("runc")
        ? new ExecCgroup(place, ["--cgroup", parent.version === 1 ? `freezer:${name}` : name])
        : new ExecCgroup(place, [], ["-c", place]);
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
    const place = this.#place;
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
    const place = this.#place;
    if (place === undefined) return;
    try {
      for (const pid of processes(place)) write(`${dirname(place)}/cgroup.procs`, String(pid));
      removeKernelDirectory(place);
    } catch (error) {
      // It goes with the container's cgroup.
      log.debug(`remove cgroup ${place}: ${errorMessage(error)}`);
    }
  }
}

/** The cgroup of the container's first process: of v2, or of v1's freezer. */
function containerCgroup(
  bundle: string,
): { readonly version: 1 | 2; readonly path: string } | undefined {
  const pid = Number(readFileSync(join(bundle, "pidfile"), "utf8"));
  const { version, hierarchies } = layout ??= detectLayout();
  const hierarchy = hierarchies.find(({ controllers }) =>
    version === 2 || controllers.has("freezer")
  );
  const lines = (readKernelFile(`/proc/${pid}/cgroup`) ?? "").trim().split("\n");
  const fields = lines.map((line) => line.split(":")).find(([number, controllers = ""]) =>
    version === 2 ? number === "0" : controllers.split(",").includes("freezer")
  );
  const path = fields?.slice(2).join(":") ?? "/";
  // The root cgroup is nobody's own, and what is above ours cannot be named.
  if (hierarchy === undefined || path === "/" || path.startsWith("/..")) return undefined;
  return { version, path: join(hierarchy.root, path) };
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
