import type { Pressure } from "../../cgroup/mod.ts";
import { now } from "../../observe/mod.ts";
import type { ContainerUsage, FsStats, InterfaceStats } from "../../stats/mod.ts";
import type {
  ContainerFilter,
  ContainerStatsEntry,
  SandboxFilter,
  SandboxStatsEntry,
} from "../../pod/mod.ts";
import type {
  ContainerStats,
  ContainerStatsFilter,
  CpuUsage,
  FilesystemUsage,
  MemoryUsage,
  NetworkInterfaceUsage,
  NetworkUsage,
  PodSandboxStats,
  PodSandboxStatsFilter,
  PsiData,
  PsiStats,
  SwapUsage,
  UInt64Value,
} from "../../gen/runtime/v1/api.ts";
import { toUint64 } from "./numbers.ts";

type Usage = Pick<ContainerUsage, "cpu" | "memory" | "pressure">;
type Cpu = NonNullable<Usage["cpu"]>;
type Memory = NonNullable<Usage["memory"]>;

export function readContainerStatsFilter(
  filter: ContainerStatsFilter | undefined,
): ContainerFilter {
  if (filter === undefined) return {};
  return {
    ...(filter.id !== "" && { id: filter.id }),
    ...(filter.podSandboxId !== "" && { sandboxId: filter.podSandboxId }),
    labels: filter.labelSelector,
  };
}

export function readSandboxStatsFilter(filter: PodSandboxStatsFilter | undefined): SandboxFilter {
  if (filter === undefined) return {};
  return { ...(filter.id !== "" && { id: filter.id }), labels: filter.labelSelector };
}

export function writeContainerStats(entry: ContainerStatsEntry): ContainerStats {
  const { container, usage } = entry;
  return {
    attributes: {
      id: container.id,
      metadata: container.metadata,
      labels: container.labels,
      annotations: container.annotations,
    },
    ...writeUsage(usage),
    writableLayer: usage.writableLayer && writeFs(usage.writableLayer),
    swap: usage.memory && writeSwap(usage.memory),
  };
}

/** @param timestamp When the pod was looked at, in nanoseconds of the Unix epoch. */
export function writeSandboxStats(entry: SandboxStatsEntry, timestamp: bigint): PodSandboxStats {
  const { sandbox, usage } = entry;
  return {
    attributes: {
      id: sandbox.id,
      metadata: sandbox.metadata,
      labels: sandbox.labels,
      annotations: sandbox.annotations,
    },
    linux: {
      ...writeUsage(usage),
      network: writeNetwork(usage.interfaces, timestamp),
      process: { timestamp, processCount: count(usage.processCount) },
      containers: entry.containers.map(writeContainerStats),
    },
    windows: undefined,
  };
}

/** The parts that containers and pods have in common. */
function writeUsage({ cpu, memory, pressure }: Usage) {
  return {
    cpu: cpu && writeCpu(cpu, pressure?.cpu),
    memory: memory && writeMemory(memory, pressure?.memory),
    io: pressure?.io && { timestamp: cpu?.timestamp ?? now(), psi: writePsi(pressure.io) },
  };
}

function writeCpu(cpu: Cpu, pressure: Pressure | undefined): CpuUsage {
  return {
    timestamp: cpu.timestamp,
    usageCoreNanoSeconds: { value: cpu.usageNanoseconds },
    usageNanoCores: count(cpu.usageNanoCores),
    psi: pressure && writePsi(pressure),
  };
}

function writeMemory(memory: Memory, pressure: Pressure | undefined): MemoryUsage {
  return {
    timestamp: memory.timestamp,
    workingSetBytes: count(memory.workingSet),
    // Without a limit nothing is "available": the field stays out.
    availableBytes: memory.limit > 0 ? count(memory.available) : undefined,
    usageBytes: count(memory.usage),
    rssBytes: count(memory.rss),
    pageFaults: count(memory.pageFaults),
    majorPageFaults: count(memory.majorPageFaults),
    psi: pressure && writePsi(pressure),
  };
}

function writePsi(pressure: Pressure): PsiStats {
  return { Full: writePsiLine(pressure.full), Some: writePsiLine(pressure.some) };
}

/** The kernel counts microseconds, CRI nanoseconds. */
function writePsiLine(line: Pressure["some"]): PsiData {
  return { Total: line.total * 1000n, Avg10: line.avg10, Avg60: line.avg60, Avg300: line.avg300 };
}

function writeSwap(memory: Memory): SwapUsage {
  return {
    timestamp: memory.timestamp,
    swapAvailableBytes: memory.swapLimit > 0
      ? count(memory.swapLimit - memory.swapUsage)
      : undefined,
    swapUsageBytes: count(memory.swapUsage),
  };
}

function writeFs(fs: FsStats): FilesystemUsage {
  return {
    timestamp: fs.timestamp,
    fsId: { mountpoint: fs.mountpoint },
    usedBytes: count(fs.usedBytes),
    inodesUsed: count(fs.inodesUsed),
  };
}

function writeNetwork(
  interfaces: readonly InterfaceStats[],
  timestamp: bigint,
): NetworkUsage | undefined {
  const [first, ...others] = interfaces;
  if (first === undefined) return undefined;
  return {
    timestamp,
    defaultInterface: writeInterface(first),
    interfaces: others.map(writeInterface),
  };
}

function writeInterface(stats: InterfaceStats): NetworkInterfaceUsage {
  return {
    name: stats.name,
    rxBytes: count(stats.rxBytes),
    rxErrors: count(stats.rxErrors),
    txBytes: count(stats.txBytes),
    txErrors: count(stats.txErrors),
  };
}

function count(value: number): UInt64Value {
  return { value: toUint64(value) };
}
