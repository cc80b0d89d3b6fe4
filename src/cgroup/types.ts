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

/** One line of pressure stall information: shares of the last seconds in percent, and all of it. */
export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds since the cgroup was made. */
  readonly total: bigint;
}

/** `some`: at least one task waited; `full`: all of them did. */
export interface Pressure {
  readonly some: PressureLine;
  readonly full: PressureLine;
}

/** Pressure stall information; only v2 has it, and only where the kernel keeps it. */
export interface CgroupPressure {
  readonly cpu: Pressure | undefined;
  readonly memory: Pressure | undefined;
  readonly io: Pressure | undefined;
}

/** Pages of one size. */
export interface HugetlbDetails {
  /** As the kernel names it: `2MB`. */
  readonly pageSize: string;
  readonly usage: number;
  readonly maxUsage: number;
}

/** What went to and came from one block device. */
export interface IoDetails {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly reads: number;
  readonly writes: number;
}

/** What only metrics ask for, beside {@linkcode CgroupStats}. Bytes; 0 where nothing is set. */
export interface CgroupDetails {
  readonly cpuShares: number;
  /** Microseconds a period; 0 for no quota. */
  readonly cpuQuota: number;
  readonly cpuPeriod: number;
  readonly kernelMemory: number;
  readonly mappedFile: number;
  readonly maxMemoryUsage: number;
  /** How often the memory limit was hit. */
  readonly memoryFailCount: number;
  readonly memoryReservation: number;
  /** Memory and swap together, as v1 counts it. */
  readonly memorySwapLimit: number;
  /** Faults of this cgroup without its children; {@linkcode MemoryStats} has them with. */
  readonly ownPageFaults: number;
  readonly ownMajorPageFaults: number;
  readonly hugetlb: readonly HugetlbDetails[];
  readonly io: readonly IoDetails[];
}

/** What a process may have of the CPUs; 0 or `""` sets nothing. */
export interface CpuLimits {
  readonly shares: number;
  /** As in `0-3,8`. */
  readonly cpus: string;
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
  /** Where the cgroup of a parent is: of a slice its name does not tell. */
  podPath(parent: string): string;
  /** `linux.cgroupsPath` of a container's spec. */
  specPath(parent: string, id: string): string;
  /** Where the container's cgroup is. */
  containerPath(parent: string, id: string): string;
  /**
   * Where a container's monitor belongs; `undefined` leaves it where crid is.
   *
   * @param monitorCgroup `monitor_cgroup` of the runtime handler.
   * @param limits What {@linkcode CgroupDriver.place} will set.
   */
  monitorPath(
    parent: string,
    id: string,
    monitorCgroup: string,
    limits?: CpuLimits,
  ): string | undefined;
  /**
   * Where a process that pulls images belongs.
   *
   * @param setting `separate_pull_cgroup`: `pod`, or what all of them are below.
   * @throws {CridError} `invalid_argument` for a setting that is not this driver's.
   */
  pullPath(setting: string, parent: string, pid: number): string;
  /** Makes the pod's own directory in each hierarchy, so that cAdvisor finds a pod without infra. */
  createSandbox(parent: string, id: string): Promise<void>;
  removeSandbox(parent: string, id: string): Promise<void>;
  /** Moves a process, for the monitor. Makes the cgroup, with its limits, if it is missing. */
  place(path: string, pid: number, limits?: CpuLimits): Promise<void>;
  /** Takes away what bounds the CPU time of a cgroup; its children keep theirs. */
  removeQuota(path: string): void;
  /** Removes an empty cgroup and its empty children; missing is no error. */
  remove(path: string): Promise<void>;
  /** Pids below a path, children included. */
  processes(path: string): Promise<readonly number[]>;
  /** Kills everything below a path until nothing is left. */
  kill(path: string, signal?: AbortSignal): Promise<void>;
  /** `undefined` when the cgroup is gone. */
  stats(path: string): Promise<CgroupStats | undefined>;
  /** What metrics ask for beyond {@linkcode CgroupDriver.stats}; `undefined` when the cgroup is gone. */
  details(path: string): Promise<CgroupDetails | undefined>;
  /** `undefined` on v1, and when the cgroup is gone. */
  pressure(path: string): Promise<CgroupPressure | undefined>;
  /** How often the kernel's OOM killer struck below this path. */
  oomKills(path: string): Promise<number>;
  /** Which v1 controllers or v2 controllers exist: `cpu`, `memory`, `pids`, `hugetlb` … */
  controllers(): ReadonlySet<string>;
}
