import { kernelFileExists, listKernelDirectory, readKernelFile } from "../linux/mod.ts";
import { now } from "../observe/mod.ts";
import type {
  CgroupDetails,
  CgroupPressure,
  CgroupStats,
  HugetlbDetails,
  IoDetails,
  Pressure,
  PressureLine,
} from "./types.ts";
import { innerCgroup, readLimit } from "./inner.ts";
import { limitedNumber, readKeyed, readNumber, sharesOfWeight } from "./values.ts";

/** Figures of a v2 cgroup with its children; `undefined` when it is gone. */
export function v2Stats(place: string): CgroupStats | undefined {
  const timestamp = now();
  const cpu = readKeyed(`${place}/cpu.stat`);
  if (!cpu.has("usage_usec")) return undefined;
  const inner = innerCgroup(place);
  // Throttling is counted where the quota is set, and nowhere above.
  const quota = inner === undefined || cpu.number("nr_periods") > 0
    ? cpu
    : readKeyed(`${inner}/cpu.stat`);
  const memory = readKeyed(`${place}/memory.stat`);
  const usage = readNumber(`${place}/memory.current`);
  return {
    cpu: {
      timestamp,
      usageNanoseconds: cpu.bigint("usage_usec") * 1000n,
      userNanoseconds: cpu.bigint("user_usec") * 1000n,
      systemNanoseconds: cpu.bigint("system_usec") * 1000n,
      periods: quota.number("nr_periods"),
      throttledPeriods: quota.number("nr_throttled"),
      throttledNanoseconds: quota.bigint("throttled_usec") * 1000n,
    },
    memory: {
      timestamp,
      usage,
      limit: readLimit(place, inner, "memory.max"),
      workingSet: Math.max(0, usage - memory.number("inactive_file")),
      rss: memory.number("anon"),
      cache: memory.number("file"),
      swapUsage: readNumber(`${place}/memory.swap.current`),
      swapLimit: readLimit(place, inner, "memory.swap.max"),
      pageFaults: memory.number("pgfault"),
      majorPageFaults: memory.number("pgmajfault"),
    },
    pids: readNumber(`${place}/pids.current`),
    pidsLimit: readLimit(place, inner, "pids.max"),
  };
}

/** What only metrics ask for; `undefined` when the cgroup is gone. */
export function v2Details(place: string): CgroupDetails | undefined {
  if (!kernelFileExists(place)) return undefined;
  const inner = innerCgroup(place);
  const memory = readKeyed(`${place}/memory.stat`);
  const outer = cpuMax(place);
  const { quota, period } = outer.quota > 0 || inner === undefined ? outer : cpuMax(inner);
  const memoryLimit = readLimit(place, inner, "memory.max");
  const swap = swapMax(place, inner);
  return {
    cpuShares: sharesOfWeight(readNumber(`${place}/cpu.weight`)),
    cpuQuota: quota,
    cpuPeriod: period,
    kernelMemory: memory.number("kernel"),
    mappedFile: memory.number("file_mapped"),
    maxMemoryUsage: readNumber(`${place}/memory.peak`),
    memoryFailCount: readKeyed(`${place}/memory.events`).number("max"),
    memoryReservation: readLimit(place, inner, "memory.low"),
    memorySwapLimit: swap === undefined || memoryLimit === 0 ? 0 : memoryLimit + swap,
    // v2 has only the figures with the children.
    ownPageFaults: memory.number("pgfault"),
    ownMajorPageFaults: memory.number("pgmajfault"),
    hugetlb: hugetlb(place),
    io: io(place),
  };
}

/** The tighter limit of swap, where 0 is one, too; `undefined` where there is none. */
function swapMax(place: string, inner: string | undefined): number | undefined {
  const limits = [place, ...inner === undefined ? [] : [inner]]
    .map((each) => Number.parseInt(readKernelFile(`${each}/memory.swap.max`) ?? "max", 10))
    .filter((limit) => !Number.isNaN(limit));
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** Pressure stall information; `undefined` when the cgroup is gone. */
export function v2Pressure(place: string): CgroupPressure | undefined {
  if (!kernelFileExists(place)) return undefined;
  return {
    cpu: pressure(`${place}/cpu.pressure`),
    memory: pressure(`${place}/memory.pressure`),
    io: pressure(`${place}/io.pressure`),
  };
}

/** v2 counts with the children. */
export function v2OomKills(place: string): number {
  return readKeyed(`${place}/memory.events`).number("oom_kill");
}

/** `20000 100000`, or `max 100000` for no quota. */
function cpuMax(place: string): { readonly quota: number; readonly period: number } {
  const [quota, period] = readKernelFile(`${place}/cpu.max`)?.trim().split(" ") ?? [];
  return { quota: limitedNumber(quota), period: limitedNumber(period) };
}

function hugetlb(place: string): HugetlbDetails[] {
  return (listKernelDirectory(place) ?? []).flatMap(({ name }) => {
    const pageSize = /^hugetlb\.(\w+)\.current$/.exec(name)?.[1];
    if (pageSize === undefined) return [];
    const usage = readNumber(`${place}/${name}`);
    // v2 keeps no peak of huge pages: what is used now is the most that is known.
    return { pageSize, usage, maxUsage: usage };
  });
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6` per device. */
function io(place: string): IoDetails[] {
  return (readKernelFile(`${place}/io.stat`) ?? "").split("\n").flatMap((line) => {
    const device = /^(\d+):(\d+) /.exec(line);
    if (device === null) return [];
    const count = (name: string) => Number(new RegExp(` ${name}=(\\d+)`).exec(line)?.[1] ?? 0);
    return {
      major: Number(device[1]),
      minor: Number(device[2]),
      readBytes: count("rbytes"),
      writeBytes: count("wbytes"),
      reads: count("rios"),
      writes: count("wios"),
    };
  });
}

/** Two lines: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full` alike. */
function pressure(path: string): Pressure | undefined {
  const text = readPressure(path);
  if (text === undefined) return undefined;
  const some = pressureLine(text, "some");
  if (some === undefined) return undefined;
  return {
    some,
    // The cpu file of old kernels has no second line.
    full: pressureLine(text, "full") ?? { avg10: 0, avg60: 0, avg300: 0, total: 0n },
  };
}

/** A kernel started with psi=0 has the files and answers reads with EOPNOTSUPP. */
function readPressure(path: string): string | undefined {
  try {
    return readKernelFile(path);
  } catch {
    return undefined;
  }
}

function pressureLine(text: string, kind: string): PressureLine | undefined {
  const line = new RegExp(
    `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)`,
    "m",
  ).exec(text);
  if (line === null) return undefined;
  return {
    avg10: Number(line[1]),
    avg60: Number(line[2]),
    avg300: Number(line[3]),
    total: BigInt(line[4] ?? 0),
  };
}
