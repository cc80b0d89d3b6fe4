import type { CgroupDriver, CgroupStats } from "../cgroup/mod.ts";
import { DiskUsage } from "./disk_usage.ts";
import { interfaceStats } from "./interfaces.ts";
import { metricDescriptors } from "./metrics/descriptors.ts";
import { podMetrics } from "./metrics/pod.ts";
import { CpuRates } from "./rates.ts";
import type {
  ContainerSource,
  ContainerUsage,
  MetricDescriptor,
  MetricGroup,
  MetricsSource,
  PodMetrics,
  PodSource,
  PodUsage,
  Stats,
} from "./types.ts";

/** Statistics of this host's containers, whose cgroups `cgroups` reads. */
export function createStats(cgroups: CgroupDriver): Stats {
  return new HostStats(cgroups);
}

class HostStats implements Stats {
  readonly #cgroups: CgroupDriver;
  readonly #disk = new DiskUsage();
  readonly #rates = new CpuRates();

  constructor(cgroups: CgroupDriver) {
    this.#cgroups = cgroups;
  }

  async container(source: ContainerSource): Promise<ContainerUsage | undefined> {
    const [stats, pressure, writableLayer] = await Promise.all([
      this.#cgroups.stats(source.cgroupPath),
      this.#cgroups.pressure(source.cgroupPath),
      source.upperDir === undefined ? undefined : this.#disk.of(source.upperDir),
    ]);
    if (stats === undefined) {
      this.#rates.forget(source.id);
      return undefined;
    }
    return {
      cpu: this.#cpu(source.id, stats),
      memory: memory(stats),
      writableLayer,
      pids: stats.pids,
      pressure,
    };
  }

  async pod(source: PodSource): Promise<PodUsage> {
    const [stats, pressure, processes] = await Promise.all([
      this.#cgroups.stats(source.cgroupPath),
      this.#cgroups.pressure(source.cgroupPath),
      this.#cgroups.processes(source.cgroupPath),
    ]);
    return {
      cpu: stats === undefined ? undefined : this.#cpu(source.id, stats),
      memory: stats === undefined ? undefined : memory(stats),
      interfaces: source.pid === undefined ? [] : interfaceStats(source.pid),
      processCount: processes.length,
      pressure,
    };
  }

  metrics(source: MetricsSource): Promise<PodMetrics> {
    return podMetrics(source, { cgroups: this.#cgroups, disk: this.#disk });
  }

  descriptors(groups: readonly MetricGroup[]): readonly MetricDescriptor[] {
    return metricDescriptors(groups, this.#cgroups);
  }

  #cpu(id: string, { cpu }: CgroupStats): NonNullable<ContainerUsage["cpu"]> {
    const usageNanoCores = this.#rates.next(id, cpu.timestamp, cpu.usageNanoseconds);
    return { ...cpu, usageNanoCores };
  }
}

/** Without a limit nothing is known to be available. */
function memory({ memory }: CgroupStats): NonNullable<ContainerUsage["memory"]> {
  const available = memory.limit === 0 ? 0 : Math.max(0, memory.limit - memory.workingSet);
  return { ...memory, available };
}
