import { kernelFileExists, listKernelDirectory, readKernelFile } from "../linux/mod.ts";
import { now } from "../observe/mod.ts";
import type {
  CgroupDetails,
  CgroupStats,
  CpuStats,
  HugetlbDetails,
  IoDetails,
  MemoryStats,
} from "./types.ts";
import { innerCgroup, readLimit } from "./inner.ts";
import { KeyedValues, limitedNumber, readBigInt, readKeyed, readNumber } from "./values.ts";

/** Where a cgroup is in the hierarchy of each controller; a controller may have none. */
export type V1Places = (controller: string) => string | undefined;

/** Figures of a v1 cgroup with its children; `undefined` when it is in no hierarchy any more. */
export function v1Stats(place: V1Places): CgroupStats | undefined {
  const cpuacct = place("cpuacct");
  const usage = cpuacct === undefined ? undefined : readBigInt(`${cpuacct}/cpuacct.usage`);
  const memory = place("memory");
  const memoryStat = memory === undefined ? undefined : readKernelFile(`${memory}/memory.stat`);
  const pids = place("pids");
  const current = pids === undefined ? undefined : readKernelFile(`${pids}/pids.current`);
  if (usage === undefined && memoryStat === undefined && current === undefined) return undefined;
  return {
    cpu: cpuStats(place("cpu"), cpuacct, usage ?? 0n),
    memory: memoryStats(memory, new KeyedValues(memoryStat ?? "")),
    pids: Number(current ?? 0),
    pidsLimit: pids === undefined ? 0 : readNumber(`${pids}/pids.max`),
  };
}

function cpuStats(
  cpu: string | undefined,
  cpuacct: string | undefined,
  usageNanoseconds: bigint,
): CpuStats {
  const timestamp = now();
  const stat = throttling(cpu);
  const [userNanoseconds, systemNanoseconds] = userAndSystem(cpuacct);
  return {
    timestamp,
    usageNanoseconds,
    userNanoseconds,
    systemNanoseconds,
    periods: stat.number("nr_periods"),
    throttledPeriods: stat.number("nr_throttled"),
    throttledNanoseconds: stat.bigint("throttled_time"),
  };
}

/** v1 counts throttling where the quota is set, and nowhere above. */
function throttling(cpu: string | undefined): KeyedValues {
  const stat = readKeyed(`${cpu}/cpu.stat`);
  if (cpu === undefined || stat.number("nr_periods") > 0) return stat;
  const inner = innerCgroup(cpu);
  return inner === undefined ? stat : readKeyed(`${inner}/cpu.stat`);
}

/** Kernels since 4.7 tell nanoseconds; before, there were only clock ticks of 10 ms. */
function userAndSystem(cpuacct: string | undefined): [bigint, bigint] {
  const user = readBigInt(`${cpuacct}/cpuacct.usage_user`);
  const system = readBigInt(`${cpuacct}/cpuacct.usage_sys`);
  if (user !== undefined && system !== undefined) return [user, system];
  const ticks = readKeyed(`${cpuacct}/cpuacct.stat`);
  return [ticks.bigint("user") * 10_000_000n, ticks.bigint("system") * 10_000_000n];
}

function memoryStats(place: string | undefined, stat: KeyedValues): MemoryStats {
  const timestamp = now();
  const inner = place === undefined ? undefined : innerCgroup(place);
  const usage = readNumber(`${place}/memory.usage_in_bytes`);
  const limit = readLimit(`${place}`, inner, "memory.limit_in_bytes");
  const swapLimit = readLimit(`${place}`, inner, "memory.memsw.limit_in_bytes");
  return {
    timestamp,
    usage,
    limit,
    workingSet: Math.max(0, usage - stat.number("total_inactive_file")),
    rss: stat.number("total_rss"),
    cache: stat.number("total_cache"),
    swapUsage: stat.number("total_swap"),
    swapLimit: limit === 0 ? 0 : Math.max(0, swapLimit - limit),
    pageFaults: stat.number("total_pgfault"),
    majorPageFaults: stat.number("total_pgmajfault"),
  };
}

/** What only metrics ask for; `undefined` when the cgroup is gone. */
export function v1Details(place: V1Places): CgroupDetails | undefined {
  const [cpu, memory] = [place("cpu"), place("memory")];
  if (![cpu, memory].some((each) => each !== undefined && kernelFileExists(each))) return undefined;
  const stat = readKeyed(`${memory}/memory.stat`);
  return {
    cpuShares: readNumber(`${cpu}/cpu.shares`),
    cpuQuota: readNumber(`${cpu}/cpu.cfs_quota_us`),
    cpuPeriod: readNumber(`${cpu}/cpu.cfs_period_us`),
    kernelMemory: readNumber(`${memory}/memory.kmem.usage_in_bytes`),
    mappedFile: stat.number("total_mapped_file"),
    maxMemoryUsage: readNumber(`${memory}/memory.max_usage_in_bytes`),
    memoryFailCount: readNumber(`${memory}/memory.failcnt`),
    memoryReservation: readNumber(`${memory}/memory.soft_limit_in_bytes`),
    memorySwapLimit: readNumber(`${memory}/memory.memsw.limit_in_bytes`),
    ownPageFaults: stat.number("pgfault"),
    ownMajorPageFaults: stat.number("pgmajfault"),
    hugetlb: hugetlb(place("hugetlb")),
    io: blkio(place("blkio")),
  };
}

function hugetlb(place: string | undefined): HugetlbDetails[] {
  if (place === undefined) return [];
  return (listKernelDirectory(place) ?? []).flatMap(({ name }) => {
    const pageSize = /^hugetlb\.(\w+)\.usage_in_bytes$/.exec(name)?.[1];
    if (pageSize === undefined) return [];
    return {
      pageSize,
      usage: readNumber(`${place}/${name}`),
      maxUsage: readNumber(`${place}/hugetlb.${pageSize}.max_usage_in_bytes`),
    };
  });
}

/** `8:0 Read 4096` per device and operation; which of the files has numbers depends on the kernel. */
function blkio(place: string | undefined): IoDetails[] {
  if (place === undefined) return [];
  const bytes = deviceCounts(place, "io_service_bytes");
  const operations = deviceCounts(place, "io_serviced");
  return [...bytes.keys()].map((device) => {
    const [major, minor] = device.split(":").map(Number);
    return {
      major: major ?? 0,
      minor: minor ?? 0,
      readBytes: bytes.get(device)?.Read ?? 0,
      writeBytes: bytes.get(device)?.Write ?? 0,
      reads: operations.get(device)?.Read ?? 0,
      writes: operations.get(device)?.Write ?? 0,
    };
  });
}

function deviceCounts(place: string, what: string): Map<string, Record<string, number>> {
  for (const name of [`blkio.throttle.${what}_recursive`, `blkio.throttle.${what}`]) {
    const text = readKernelFile(`${place}/${name}`);
    if (text === undefined) continue;
    const counts = new Map<string, Record<string, number>>();
    for (const line of text.split("\n")) {
      const [device, operation, value] = line.split(" ");
      if (device === undefined || operation === undefined || !device.includes(":")) continue;
      const known = counts.get(device) ?? {};
      known[operation] = limitedNumber(value);
      counts.set(device, known);
    }
    return counts;
  }
  return new Map();
}

/** v1 counts the OOM killer's victims in the very cgroup only. */
export function v1OomKills(memory: string): number {
  return readKeyed(`${memory}/memory.oom_control`).number("oom_kill");
}
