import { basename, dirname, normalize } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { kernelFileExists, makeKernelDirectory, readKernelFile } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import { CgroupfsDriver } from "../cgroupfs.ts";
import { containerPath, podPath, sandboxPath } from "../container_path.ts";
import type { CgroupLayout } from "../layout.ts";
import type {
  CgroupDetails,
  CgroupDriver,
  CgroupPressure,
  CgroupStats,
  CpuLimits,
} from "../types.ts";
import { weightOfShares } from "../values.ts";
import { cpuMask } from "./cpu_mask.ts";
import type { SystemdManager, UnitProperty } from "./manager.ts";
import { DEFAULT_SLICE, slicePath } from "./slice.ts";

const SIGPIPE = 13;
/** The unit that scopes are ordered after: stopped before it when the node shuts down. */
const SERVICE = "crio.service";

/**
 * Leaves the making of cgroups to systemd, as the `systemd` manager of CRI-O and runc does: a pod's
 * parent is a slice, a container a scope that the runtime asks for, a monitor a scope of its own.
 * What is there is read and killed through the files.
 */
export class SystemdDriver implements CgroupDriver, Disposable {
  readonly kind = "systemd";
  readonly version: 1 | 2;
  readonly #layout: CgroupLayout;
  readonly #files: CgroupfsDriver;
  readonly #manager: SystemdManager;

  constructor(layout: CgroupLayout, manager: SystemdManager) {
    this.version = layout.version;
    this.#layout = layout;
    this.#files = new CgroupfsDriver(layout);
    this.#manager = manager;
  }

  parent(asked: string): string {
    if (asked === "") return DEFAULT_SLICE;
    // The kubelet may name the whole path; the slice's name says as much.
    const slice = basename(asked);
    if (!slice.endsWith(".slice")) {
      throw new CridError(
        "invalid_argument",
        `cri-o configured with systemd cgroup manager, but did not receive slice as parent: ${asked}`,
      );
    }
    slicePath(slice);
    return slice;
  }

  podPath(parent: string): string {
    return podPath(parent || DEFAULT_SLICE);
  }

  specPath(parent: string, id: string): string {
    return `${this.parent(parent)}:crio:${id}`;
  }

  containerPath(parent: string, id: string): string {
    return containerPath(parent || DEFAULT_SLICE, id);
  }

  monitorPath(parent: string, id: string, monitorCgroup: string): string {
    const slice = monitorCgroup.endsWith(".slice") ? monitorCgroup : this.parent(parent);
    return normalize(`${slicePath(slice)}/crio-conmon-${id}.scope`);
  }

  pullPath(setting: string, parent: string, pid: number): string {
    const slice = this.parent(setting === "pod" ? parent : setting);
    return normalize(`${slicePath(slice)}/crio-pull-image-${pid}.scope`);
  }

  /** Not a unit: nothing runs in it. The runtime's first scope lets systemd know the slice. */
  // deno-lint-ignore require-await
  async createSandbox(parent: string, id: string): Promise<void> {
    const path = sandboxPath(this.parent(parent), id);
    for (const { root } of this.#layout.hierarchies) {
      let place = root;
      for (const name of path.split("/").filter((part) => part !== "")) {
        place = `${place}/${name}`;
        makeKernelDirectory(place);
      }
    }
  }

  async removeSandbox(parent: string, id: string): Promise<void> {
    await this.#files.remove(sandboxPath(parent || DEFAULT_SLICE, id));
  }

  async place(path: string, pid: number, limits?: CpuLimits): Promise<void> {
    const unit = basename(path);
    if (!unit.endsWith(".scope") || this.#exists(path)) {
      return await this.#files.place(path, pid, limits);
    }
    const limited = limits === undefined ? [] : this.#cpuProperties(limits);
    try {
      await this.#manager.startTransientUnit(unit, [...scopeProperties(path, pid), ...limited]);
    } catch (error) {
      if (processUnit(pid) === undefined) {
        throw new CridError("not_found", `place process ${pid} in ${path}: it has ended`, {
          cause: error,
        });
      }
      // The answer may be lost while the scope is made.
      if (processUnit(pid) !== unit) throw error;
    }
  }

  /** By its file: systemd writes a slice's quota only when somebody sets it anew. */
  removeQuota(path: string): void {
    this.#files.removeQuota(path);
  }

  async remove(path: string): Promise<void> {
    const unit = basename(path);
    if (unit.endsWith(".scope")) {
      try {
        if (this.#exists(path)) await this.#manager.stopUnit(unit);
        // A scope whose process was killed for its memory stays until somebody has seen it.
        await this.#manager.resetFailed(unit);
      } catch (error) {
        log.warn(`let systemd remove ${unit}: ${String(error)}`);
      }
    }
    await this.#files.remove(path);
  }

  processes(path: string): Promise<readonly number[]> {
    return this.#files.processes(path);
  }

  kill(path: string, signal?: AbortSignal): Promise<void> {
    return this.#files.kill(path, signal);
  }

  stats(path: string): Promise<CgroupStats | undefined> {
    return this.#files.stats(path);
  }

  details(path: string): Promise<CgroupDetails | undefined> {
    return this.#files.details(path);
  }

  pressure(path: string): Promise<CgroupPressure | undefined> {
    return this.#files.pressure(path);
  }

  oomKills(path: string): Promise<number> {
    return this.#files.oomKills(path);
  }

  controllers(): ReadonlySet<string> {
    return this.#files.controllers();
  }

  [Symbol.dispose](): void {
    this.#manager[Symbol.dispose]();
  }

  #cpuProperties({ shares, cpus }: CpuLimits): readonly UnitProperty[] {
    const weight: UnitProperty = this.version === 2
      ? ["CPUWeight", "t", BigInt(weightOfShares(shares))]
      : ["CPUShares", "t", BigInt(shares)];
    return [
      ...shares > 0 ? [weight] : [],
      ...cpus === "" ? [] : [["AllowedCPUs", "ay", cpuMask(cpus)] as const],
    ];
  }

  #exists(path: string): boolean {
    return this.#layout.hierarchies.some(({ root }) => kernelFileExists(root + path));
  }
}

/** As CRI-O makes them: a monitor ends when its container does, not when the node's services do. */
function scopeProperties(path: string, pid: number): readonly UnitProperty[] {
  return [
    ["Description", "s", basename(path, ".scope")],
    ["Slice", "s", basename(dirname(path)) || "-.slice"],
    ["PIDs", "au", [pid]],
    ["Delegate", "b", true],
    ["DefaultDependencies", "b", false],
    ["KillSignal", "i", SIGPIPE],
    ["After", "as", [SERVICE]],
  ];
}

/** The last part of a process' cgroup; `undefined` when it has ended. */
function processUnit(pid: number): string | undefined {
  const line = readKernelFile(`/proc/${pid}/cgroup`)?.split("\n")
    .find((each) => each.startsWith("0::") || each.includes(":name=systemd:"));
  return line === undefined ? undefined : basename(line);
}
