import { normalize } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { KernelFileError, writeKernelFile, writeSlowKernelFile } from "../linux/mod.ts";
import { killFrozen, killUnified } from "./kill.ts";
import { containerPath, podPath, sandboxPath } from "./container_path.ts";
import { type CgroupLayout, isNamed } from "./layout.ts";
import { cgroupTree, makeCgroup, removeTree, treeProcesses } from "./tree.ts";
import type {
  CgroupDetails,
  CgroupDriver,
  CgroupPressure,
  CgroupStats,
  CpuLimits,
} from "./types.ts";
import { v1Details, v1OomKills, v1Stats } from "./v1.ts";
import { weightOfShares } from "./values.ts";
import { v2Details, v2OomKills, v2Pressure, v2Stats } from "./v2.ts";

const DEFAULT_PARENT = "/crio";
const ESRCH = 3;

/** The v1 hierarchies that runtimes always use come first; some hosts lack some. */
const LISTING_ORDER = ["freezer", "pids", "memory", "cpu", "name=systemd"];

/** Changes cgroups through their files, as the `cgroupfs` manager of CRI-O and runc does. */
export class CgroupfsDriver implements CgroupDriver {
  readonly kind = "cgroupfs";
  readonly version: 1 | 2;
  readonly #layout: CgroupLayout;
  readonly #controllers: ReadonlySet<string>;

  constructor(layout: CgroupLayout) {
    this.version = layout.version;
    this.#layout = layout;
    const all = layout.hierarchies.flatMap((each) => [...each.controllers]);
    this.#controllers = new Set(all.filter((name) => !isNamed(name)));
  }

  parent(asked: string): string {
    if (asked === "") return DEFAULT_PARENT;
    if (asked.endsWith(".slice")) {
      throw new CridError(
        "invalid_argument",
        `cri-o configured with cgroupfs cgroup manager, but received systemd slice as parent: ${asked}`,
      );
    }
    if (asked.split("/").includes("..") || /[\0\n]/.test(asked)) {
      throw new CridError("invalid_argument", `cgroup parent ${asked}: must be a plain path`);
    }
    return normalize(`/${asked}`).replace(/(?<=.)\/$/, "");
  }

  podPath(parent: string): string {
    return podPath(parent || DEFAULT_PARENT);
  }

  specPath(parent: string, id: string): string {
    return containerPath(this.parent(parent), id);
  }

  containerPath(parent: string, id: string): string {
    return containerPath(parent || DEFAULT_PARENT, id);
  }

  /** CRI-O, too, moves monitors with this driver only to limit their CPUs. */
  monitorPath(
    parent: string,
    id: string,
    _monitorCgroup: string,
    limits?: CpuLimits,
  ): string | undefined {
    return limits === undefined ? undefined : containerPath(this.parent(parent), `conmon-${id}`);
  }

  pullPath(setting: string, parent: string, pid: number): string {
    if (setting !== "pod" && !setting.startsWith("/")) {
      throw new CridError(
        "invalid_argument",
        `separate_pull_cgroup = ${
          JSON.stringify(setting)
        }: with cgroup_manager = "cgroupfs" it is ` +
          '"pod" or an absolute path in the cgroup hierarchy',
      );
    }
    return normalize(`${this.parent(setting === "pod" ? parent : setting)}/crio-pull-image-${pid}`);
  }

  // deno-lint-ignore require-await
  async createSandbox(parent: string, id: string): Promise<void> {
    this.#make(sandboxPath(this.parent(parent), id));
  }

  async removeSandbox(parent: string, id: string): Promise<void> {
    await this.remove(sandboxPath(parent || DEFAULT_PARENT, id));
  }

  async place(path: string, pid: number, limits?: CpuLimits): Promise<void> {
    this.#make(path);
    if (limits !== undefined) this.#limit(path, limits);
    await Promise.all(
      this.#places(path).map(async (place) => {
        try {
          // Sleeps through an RCU grace period, often 20 ms, when nothing was moved for a while.
          await writeSlowKernelFile(`${place}/cgroup.procs`, String(pid));
        } catch (error) {
          const gone = error instanceof KernelFileError && error.errno === ESRCH;
          if (gone) {
            throw new CridError("not_found", `place process ${pid} in ${path}: it has ended`);
          }
          throw error;
        }
      }),
    );
  }

  removeQuota(path: string): void {
    const cpu = this.#place("cpu", path);
    if (cpu === undefined) return;
    if (this.version === 1) writeKernelFile(`${cpu}/cpu.cfs_quota_us`, "-1");
    else writeKernelFile(`${cpu}/cpu.max`, "max");
  }

  async remove(path: string): Promise<void> {
    this.#refuseRoot("remove", path);
    await Promise.all(this.#places(path).map(removeTree));
  }

  // deno-lint-ignore require-await
  async processes(path: string): Promise<readonly number[]> {
    return this.#pids(path);
  }

  async kill(path: string, signal?: AbortSignal): Promise<void> {
    this.#refuseRoot("kill", path);
    if (this.version === 2) await killUnified(this.#unified(path), signal);
    else await killFrozen(path, () => this.#pids(path), this.#place("freezer", path), signal);
  }

  // deno-lint-ignore require-await
  async stats(path: string): Promise<CgroupStats | undefined> {
    return this.version === 2
      ? v2Stats(this.#unified(path))
      : v1Stats((controller) => this.#place(controller, path));
  }

  // deno-lint-ignore require-await
  async details(path: string): Promise<CgroupDetails | undefined> {
    return this.version === 2
      ? v2Details(this.#unified(path))
      : v1Details((controller) => this.#place(controller, path));
  }

  // deno-lint-ignore require-await
  async pressure(path: string): Promise<CgroupPressure | undefined> {
    return this.version === 2 ? v2Pressure(this.#unified(path)) : undefined;
  }

  // deno-lint-ignore require-await
  async oomKills(path: string): Promise<number> {
    if (this.version === 2) return v2OomKills(this.#unified(path));
    const memory = this.#place("memory", path);
    if (memory === undefined) return 0;
    return cgroupTree(memory).reduce((sum, place) => sum + v1OomKills(place), 0);
  }

  controllers(): ReadonlySet<string> {
    return this.#controllers;
  }

  #make(path: string): void {
    for (const hierarchy of this.#layout.hierarchies) makeCgroup(this.#layout, hierarchy, path);
  }

  #limit(path: string, { shares, cpus }: CpuLimits): void {
    const cpu = this.#place("cpu", path);
    if (shares > 0 && cpu !== undefined) {
      if (this.version === 1) writeKernelFile(`${cpu}/cpu.shares`, String(shares));
      else writeKernelFile(`${cpu}/cpu.weight`, String(weightOfShares(shares)));
    }
    const cpuset = this.#place("cpuset", path);
    if (cpus !== "" && cpuset !== undefined) writeKernelFile(`${cpuset}/cpuset.cpus`, cpus);
  }

  /** The cgroup's directory in each hierarchy. */
  #places(path: string): readonly string[] {
    return this.#layout.hierarchies.map(({ root }) => root + path);
  }

  /** The cgroup's directory in the hierarchy of one controller. */
  #place(controller: string, path: string): string | undefined {
    const hierarchy = this.#layout.hierarchies.find((each) => each.controllers.has(controller));
    return hierarchy === undefined ? undefined : hierarchy.root + path;
  }

  #unified(path: string): string {
    return this.#places(path)[0] ?? "";
  }

  /** From the first hierarchy that has any: a runtime puts a process into all of them. */
  #pids(path: string): readonly number[] {
    const ordered = LISTING_ORDER.map((controller) => this.#place(controller, path));
    for (const place of new Set([...ordered, ...this.#places(path)])) {
      const pids = place === undefined ? [] : treeProcesses(place);
      if (pids.length > 0) return pids;
    }
    return [];
  }

  #refuseRoot(doing: string, path: string): void {
    if (normalize(`/${path}`) !== "/" && !path.split("/").includes("..")) return;
    throw new CridError("invalid_argument", `${doing} cgroup ${path}: refused, it holds the host`);
  }
}
