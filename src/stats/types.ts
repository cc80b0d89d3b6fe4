/**
 * What containers, pods and images use, in the terms of CRI.
 *
 * @module
 */
import type { CpuStats, MemoryStats } from "../cgroup/mod.ts";

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
}

/** What one container uses; parts that cannot be read (the container just ended) are missing. */
export interface ContainerUsage {
  readonly cpu: (CpuStats & { readonly usageNanoCores: number }) | undefined;
  readonly memory: (MemoryStats & { readonly available: number }) | undefined;
  readonly writableLayer: FsStats | undefined;
  readonly pids: number | undefined;
}

/** What one pod uses. */
export interface PodUsage {
  readonly cpu: (CpuStats & { readonly usageNanoCores: number }) | undefined;
  readonly memory: (MemoryStats & { readonly available: number }) | undefined;
  /** The pod's own interface first. */
  readonly interfaces: readonly InterfaceStats[];
  readonly processCount: number;
}
