/**
 * Control groups of either version, through either driver.
 *
 * @module
 */

export interface CpuStats {
  /** Nanoseconds of the Unix epoch. */
  readonly timestamp: bigint;
  readonly usageNanoseconds: bigint;
  readonly userNanoseconds: bigint;
  readonly systemNanoseconds: bigint;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNanoseconds: bigint;
}

export interface MemoryStats {
  readonly timestamp: bigint;
  /** Bytes; 0 limit means none. */
  readonly usage: number;
  readonly limit: number;
  readonly workingSet: number;
  readonly rss: number;
  readonly cache: number;
  readonly swapUsage: number;
  readonly swapLimit: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
}

export interface CgroupStats {
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly pids: number;
  readonly pidsLimit: number;
}

/** Paths are relative to the hierarchy's root, `/kubepods/pod1/crio-<id>`. */
export interface CgroupDriver {
  readonly kind: "cgroupfs" | "systemd";
  /** 2 for the unified hierarchy, 1 for v1 and hybrid. */
  readonly version: 1 | 2;
  /**
   * Checks a pod's cgroup parent and fills in the default.
   *
   * @throws {CridError} `invalid_argument` for a slice with cgroupfs, or no slice with systemd.
   */
  parent(asked: string): string;
  /** `linux.cgroupsPath` of a container's spec. */
  specPath(parent: string, id: string): string;
  /** Where the container's cgroup is. */
  containerPath(parent: string, id: string): string;
  /** Makes the pod's own directory in each hierarchy, so that cAdvisor finds a pod without infra. */
  createSandbox(parent: string, id: string): Promise<void>;
  removeSandbox(parent: string, id: string): Promise<void>;
  /** Moves a process, for the monitor. Makes the cgroup if it is missing. */
  place(path: string, pid: number): Promise<void>;
  /** Removes an empty cgroup and its empty children; missing is no error. */
  remove(path: string): Promise<void>;
  /** Pids below a path, children included. */
  processes(path: string): Promise<readonly number[]>;
  /** Kills everything below a path until nothing is left. */
  kill(path: string, signal?: AbortSignal): Promise<void>;
  /** `undefined` when the cgroup is gone. */
  stats(path: string): Promise<CgroupStats | undefined>;
  /** How often the kernel's OOM killer struck below this path. */
  oomKills(path: string): Promise<number>;
  /** Which v1 controllers or v2 controllers exist: `cpu`, `memory`, `pids`, `hugetlb` … */
  controllers(): ReadonlySet<string>;
}
