import process from "node:process";
import { readFile } from "node:fs/promises";
import { basename, join } from "@std/path";
import { setTimeout as pause } from "node:timers/promises";
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

/**
 * A cgroup below the container's for one command, so that all it starts can be found and killed,
 * also what has left its session and its parents. On v1 only the freezer's hierarchy has it: the
 * other ones account and limit, and need not change for that.
 */
export class ExecCgroup {
  /** Absolute; `undefined` when the container's cgroup cannot be found. */
  readonly #place: string | undefined;
  /** Flags of `<runtime> exec` that put the process there. */
  readonly runtimeArguments: readonly string[];
  /** Flags of the native starter that put it there, for a runtime that cannot. */
  readonly starterArguments: readonly string[];

  private constructor(
    place: string | undefined,
    runtimeArguments: readonly string[],
    starterArguments: readonly string[],
  ) {
    this.#place = place;
    this.runtimeArguments = runtimeArguments;
    this.starterArguments = starterArguments;
  }

  /** Makes the cgroup. A failure costs only the certainty of a later kill, so it is logged. */
  static async create({ id, bundle, handler }: ExecSyncRequest): Promise<ExecCgroup> {
    try {
      const parent = await containerCgroup(bundle);
      if (parent === undefined) return new ExecCgroup(undefined, [], []);
      const name = `exec-${crypto.randomUUID().slice(0, 8)}`;
      const place = join(parent.path, name);
      makeKernelDirectory(place);
      // crun would leave all other hierarchies of v1; runc joins the one that is named.
      return handler.version.startsWith("runc")
        ? new ExecCgroup(place, ["--cgroup", parent.version === 1 ? `freezer:${name}` : name], [])
        : new ExecCgroup(place, [], ["-c", place]);
    } catch (error) {
      log.warn(`no cgroup for an exec in container ${id}: ${errorMessage(error)}`, { id });
      return new ExecCgroup(undefined, [], []);
    }
  }

  /** Kills every process of the cgroup, and every descendant of `pid`, until none is left. */
  async kill(pid: number | undefined): Promise<void> {
    const end = performance.now() + KILL_LIMIT_MS;
    const stray = pid === undefined ? [] : [pid, ...descendants(pid)];
    killEach(stray);
    while (this.#place !== undefined && performance.now() < end) {
      const alive = processes(this.#place);
      if (alive.length === 0) return;
      this.#killOnce(this.#place, alive);
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
    if (this.#place === undefined) return;
    const parent = join(this.#place, "..");
    try {
      for (const pid of processes(this.#place)) write(`${parent}/cgroup.procs`, String(pid));
      removeKernelDirectory(this.#place);
    } catch (error) {
      // It goes with the container's cgroup.
      log.debug(`remove cgroup ${basename(this.#place)}: ${errorMessage(error)}`);
    }
  }
}

/** The cgroup of the container's first process: of v2, or of v1's freezer. */
async function containerCgroup(
  bundle: string,
): Promise<{ readonly version: 1 | 2; readonly path: string } | undefined> {
  const pid = Number(await readFile(join(bundle, "pidfile"), "utf8"));
  const lines = (readKernelFile(`/proc/${pid}/cgroup`) ?? "").trim().split("\n");
  const fields = lines.map((line) => line.split(":"));
  const freezer = fields.find(([, controllers]) => controllers?.split(",").includes("freezer"));
  if (freezer !== undefined) return below(1, "/sys/fs/cgroup/freezer", freezer.slice(2).join(":"));
  const unified = fields.find(([hierarchy]) => hierarchy === "0");
  return unified && below(2, "/sys/fs/cgroup", unified.slice(2).join(":"));
}

/** The root cgroup is nobody's own. */
function below(version: 1 | 2, root: string, path: string) {
  return path === "/" || path.startsWith("/..") ? undefined : { version, path: join(root, path) };
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
