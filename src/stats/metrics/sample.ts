import type { CgroupDetails, CgroupDriver, CgroupPressure, CgroupStats } from "../../cgroup/mod.ts";
import type { DiskUsage } from "../disk_usage.ts";
import type { MetricGroup, MetricsContainer } from "../types.ts";
import { type FileSystem, fileSystemOf } from "./file_system.ts";
import { type ProcessFigures, processFigures } from "./processes.ts";

/** What metrics are read with. */
export interface MetricReaders {
  readonly cgroups: CgroupDriver;
  readonly disk: DiskUsage;
}

/** All that one container's metrics are made of; parts that no group asks for are missing. */
export interface ContainerSample {
  readonly container: MetricsContainer;
  readonly stats: CgroupStats;
  readonly details: CgroupDetails;
  readonly pressure: CgroupPressure | undefined;
  readonly oomKills: number;
  readonly fileSystem: FileSystem | undefined;
  readonly usedBytes: number;
  readonly processes: ProcessFigures | undefined;
}

/** Whether `group` is among the configured ones. */
export function isIncluded(groups: readonly MetricGroup[], group: MetricGroup): boolean {
  return groups.includes("all") || groups.includes(group);
}

/** Reads one container; `undefined` when its cgroup is gone. */
export async function sampleContainer(
  container: MetricsContainer,
  groups: readonly MetricGroup[],
  { cgroups, disk }: MetricReaders,
): Promise<ContainerSample | undefined> {
  const { cgroupPath, upperDir } = container;
  const wants = (group: MetricGroup) => isIncluded(groups, group);
  const [stats, details, pressure, oomKills, pids, used] = await Promise.all([
    cgroups.stats(cgroupPath),
    cgroups.details(cgroupPath),
    wants("pressure") ? cgroups.pressure(cgroupPath) : undefined,
    wants("oom") ? cgroups.oomKills(cgroupPath) : 0,
    wants("process") ? cgroups.processes(cgroupPath) : [],
    wants("disk") && upperDir !== undefined ? disk.of(upperDir) : undefined,
  ]);
  if (stats === undefined || details === undefined) return undefined;
  return {
    container,
    stats,
    details,
    pressure,
    oomKills,
    fileSystem: wants("disk") && upperDir !== undefined ? fileSystemOf(upperDir) : undefined,
    usedBytes: used?.usedBytes ?? 0,
    processes: wants("process") ? processFigures(pids, container.pid) : undefined,
  };
}
