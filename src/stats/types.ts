/**
 * What containers, pods and images use, in the terms of CRI.
 *
 * @module
 */
import type { CgroupPressure, CpuStats, MemoryStats } from "../cgroup/mod.ts";

/** Bytes and inodes below one directory, and when they were counted (ns since the Unix epoch). */
export interface FsStats {
  readonly timestamp: bigint;
  readonly mountpoint: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

/** Counters of one network interface. */
export interface InterfaceStats {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

/** What one container uses; parts that cannot be read (the container just ended) are missing. */
export interface ContainerUsage {
  readonly cpu: (CpuStats & { readonly usageNanoCores: number }) | undefined;
  readonly memory: (MemoryStats & { readonly available: number }) | undefined;
  readonly writableLayer: FsStats | undefined;
  readonly pids: number | undefined;
  /** v2 only. */
  readonly pressure?: CgroupPressure | undefined;
}

/** What one pod uses. */
export interface PodUsage {
  readonly cpu: (CpuStats & { readonly usageNanoCores: number }) | undefined;
  readonly memory: (MemoryStats & { readonly available: number }) | undefined;
  /** The pod's own interface first. */
  readonly interfaces: readonly InterfaceStats[];
  readonly processCount: number;
  /** v2 only. */
  readonly pressure?: CgroupPressure | undefined;
}

/** Where to find what one container uses. */
export interface ContainerSource {
  readonly id: string;
  /** Relative to the hierarchies' roots. */
  readonly cgroupPath: string;
  /** Its writable layer; `undefined` when there is none. */
  readonly upperDir: string | undefined;
}

/** Where to find what one pod uses. */
export interface PodSource {
  readonly id: string;
  /** The pod's own cgroup, parent of its containers'. */
  readonly cgroupPath: string;
  /** Any process in its network namespace; `undefined` when none is left. */
  readonly pid: number | undefined;
}

/** Reads what containers and pods use. It keeps the last readings: rates need two. */
export interface Stats {
  /** `undefined` when the container's cgroup is gone. */
  container(source: ContainerSource): Promise<ContainerUsage | undefined>;
  pod(source: PodSource): Promise<PodUsage>;
  /** All metrics of one pod; of stopped containers there are none. */
  metrics(source: MetricsSource): Promise<PodMetrics>;
  /** What {@linkcode Stats.metrics} can have, each with the keys of its labels. */
  descriptors(groups: readonly MetricGroup[]): readonly MetricDescriptor[];
}

/** `included_pod_metrics` of the configuration; `all` stands for every group. */
export type MetricGroup =
  | "all"
  | "cpu"
  | "disk"
  | "diskIO"
  | "hugetlb"
  | "memory"
  | "network"
  | "oom"
  | "process"
  | "spec"
  | "pressure";

export interface MetricDescriptor {
  readonly name: string;
  readonly help: string;
  readonly labelKeys: readonly string[];
}

export interface Metric {
  readonly name: string;
  /** Nanoseconds of the Unix epoch. */
  readonly timestamp: bigint;
  readonly type: "counter" | "gauge";
  /** As many as its descriptor has keys, in their order. */
  readonly labelValues: readonly string[];
  readonly value: bigint;
}

/** A container as metrics name it. */
export interface MetricsContainer extends ContainerSource {
  readonly name: string;
  readonly image: string;
  /** Its first process. */
  readonly pid: number;
  /** Nanoseconds of the Unix epoch. */
  readonly startedAt: bigint;
}

/** A pod as metrics name it. */
export interface MetricsSource extends PodSource {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly MetricsContainer[];
  readonly groups: readonly MetricGroup[];
}

export interface PodMetrics {
  readonly id: string;
  readonly metrics: readonly Metric[];
  readonly containers: readonly { readonly id: string; readonly metrics: readonly Metric[] }[];
}
