import type { PressureLine } from "../../cgroup/mod.ts";
import type { InterfaceStats, Metric, MetricGroup } from "../types.ts";
import { deviceName } from "./file_system.ts";
import type { ContainerSample } from "./sample.ts";

/** One value and the labels that only its metric has. */
export interface Value {
  readonly labels: readonly string[];
  readonly value: number | bigint;
}

/** A metric: what is said of it, and how it is read from a sample. */
export interface MetricRow<Sample> {
  readonly name: string;
  readonly help: string;
  readonly type: Metric["type"];
  /** Keys after those that all metrics have. */
  readonly labels: readonly string[];
  readonly read: (sample: Sample) => readonly Value[];
}

type Row = MetricRow<ContainerSample>;

const NANOSECONDS = 1_000_000_000n;
const MICROSECONDS = 1_000_000n;

const one = (value: number | bigint): readonly Value[] => [{ labels: [], value }];

function counter(name: string, help: string, read: (sample: ContainerSample) => number | bigint) {
  return { name, help, type: "counter", labels: [], read: (sample) => one(read(sample)) } as Row;
}

function gauge(name: string, help: string, read: (sample: ContainerSample) => number | bigint) {
  return { name, help, type: "gauge", labels: [], read: (sample) => one(read(sample)) } as Row;
}

function labelled(
  type: Metric["type"],
  name: string,
  help: string,
  labels: readonly string[],
  read: Row["read"],
): Row {
  return { name, help, type, labels, read };
}

/** Metrics of a container by group; names, labels and units as cAdvisor and CRI-O have them. */
export const CONTAINER_METRICS: Readonly<
  Partial<Record<MetricGroup | "always", readonly Row[]>>
> = {
  always: [
    gauge(
      "container_last_seen",
      "Last time this container was seen by crid, in seconds of the Unix epoch.",
      () => Math.floor(Date.now() / 1000),
    ),
  ],
  cpu: [
    counter(
      "container_cpu_user_seconds_total",
      "CPU time consumed in user mode, in seconds.",
      ({ stats }) => stats.cpu.userNanoseconds / NANOSECONDS,
    ),
    counter(
      "container_cpu_system_seconds_total",
      "CPU time consumed in system mode, in seconds.",
      ({ stats }) => stats.cpu.systemNanoseconds / NANOSECONDS,
    ),
    labelled(
      "counter",
      "container_cpu_usage_seconds_total",
      "CPU time consumed, in seconds.",
      ["cpu"],
      ({ stats }) => [
        { labels: ["total"], value: stats.cpu.usageNanoseconds / NANOSECONDS },
      ],
    ),
    counter(
      "container_cpu_cfs_periods_total",
      "Periods of the CPU quota that have passed.",
      ({ stats }) => stats.cpu.periods,
    ),
    counter(
      "container_cpu_cfs_throttled_periods_total",
      "Periods in which the container was throttled.",
      ({ stats }) => stats.cpu.throttledPeriods,
    ),
    counter(
      "container_cpu_cfs_throttled_seconds_total",
      "Time the container was throttled, in seconds.",
      ({ stats }) => stats.cpu.throttledNanoseconds / NANOSECONDS,
    ),
  ],
  memory: [
    gauge("container_memory_cache", "Page cache, in bytes.", ({ stats }) => stats.memory.cache),
    gauge("container_memory_rss", "Anonymous memory, in bytes.", ({ stats }) => stats.memory.rss),
    gauge(
      "container_memory_kernel_usage",
      "Kernel memory, in bytes.",
      ({ details }) => details.kernelMemory,
    ),
    gauge(
      "container_memory_mapped_file",
      "Memory-mapped files, in bytes.",
      ({ details }) => details.mappedFile,
    ),
    gauge("container_memory_swap", "Swap in use, in bytes.", ({ stats }) => stats.memory.swapUsage),
    counter(
      "container_memory_failcnt",
      "How often the memory limit was hit.",
      ({ details }) => details.memoryFailCount,
    ),
    gauge(
      "container_memory_usage_bytes",
      "Memory in use, page cache included, in bytes.",
      ({ stats }) => stats.memory.usage,
    ),
    gauge(
      "container_memory_max_usage_bytes",
      "Largest memory use so far, in bytes.",
      ({ details }) => details.maxMemoryUsage,
    ),
    gauge(
      "container_memory_working_set_bytes",
      "Memory that cannot be given back at once, in bytes.",
      ({ stats }) => stats.memory.workingSet,
    ),
    labelled(
      "counter",
      "container_memory_failures_total",
      "Page faults, of the container alone and with the cgroups below it.",
      ["failure_type", "scope"],
      ({ stats, details }) => [
        { labels: ["pgfault", "container"], value: details.ownPageFaults },
        { labels: ["pgmajfault", "container"], value: details.ownMajorPageFaults },
        { labels: ["pgfault", "hierarchy"], value: stats.memory.pageFaults },
        { labels: ["pgmajfault", "hierarchy"], value: stats.memory.majorPageFaults },
      ],
    ),
  ],
  oom: [
    counter(
      "container_oom_events_total",
      "Processes that the OOM killer has ended.",
      ({ oomKills }) => oomKills,
    ),
  ],
  process: [
    gauge(
      "container_processes",
      "Processes in the container.",
      ({ processes }) => processes?.processes ?? 0,
    ),
    gauge("container_threads", "Threads in the container.", ({ stats }) => stats.pids),
    gauge(
      "container_threads_max",
      "Limit of threads, 0 for none.",
      ({ stats }) => stats.pidsLimit,
    ),
    gauge(
      "container_file_descriptors",
      "Open file descriptors of all processes.",
      ({ processes }) => processes?.fileDescriptors ?? 0,
    ),
    gauge(
      "container_sockets",
      "Open sockets of all processes.",
      ({ processes }) => processes?.sockets ?? 0,
    ),
    labelled(
      "gauge",
      "container_ulimits_soft",
      "Soft limits of the first process.",
      ["ulimit"],
      ({ processes }) => {
        const limit = processes?.openFilesLimit;
        return limit === undefined ? [] : [{ labels: ["max_open_files"], value: limit }];
      },
    ),
  ],
  spec: [
    gauge(
      "container_spec_cpu_period",
      "Period of the CPU quota, in microseconds.",
      ({ details }) => details.cpuPeriod,
    ),
    gauge("container_spec_cpu_shares", "CPU shares.", ({ details }) => details.cpuShares),
    gauge(
      "container_spec_cpu_quota",
      "CPU quota a period in microseconds, 0 for none.",
      ({ details }) => details.cpuQuota,
    ),
    gauge(
      "container_spec_memory_limit_bytes",
      "Memory limit in bytes, 0 for none.",
      ({ stats }) => stats.memory.limit,
    ),
    gauge(
      "container_spec_memory_reservation_limit_bytes",
      "Memory reservation in bytes, 0 for none.",
      ({ details }) => details.memoryReservation,
    ),
    gauge(
      "container_spec_memory_swap_limit_bytes",
      "Limit of memory and swap together in bytes, 0 for none.",
      ({ details }) => details.memorySwapLimit,
    ),
    gauge(
      "container_start_time_seconds",
      "Start of the container, in seconds of the Unix epoch.",
      ({ container }) => container.startedAt / NANOSECONDS,
    ),
  ],
  disk: [
    onDevice(
      "container_fs_inodes_free",
      "Free inodes of the file system.",
      (fs) => fs.inodesFree,
    ),
    onDevice("container_fs_inodes_total", "Inodes of the file system.", (fs) => fs.inodes),
    onDevice("container_fs_limit_bytes", "Size of the file system, in bytes.", (fs) => fs.size),
    onDevice(
      "container_fs_usage_bytes",
      "Bytes that the container has written and kept.",
      (_, sample) => sample.usedBytes,
    ),
  ],
  diskIO: [
    onEachDevice("container_fs_reads_bytes_total", "Bytes read.", (io) => io.readBytes),
    onEachDevice("container_fs_writes_bytes_total", "Bytes written.", (io) => io.writeBytes),
    onEachDevice("container_fs_reads_total", "Reads completed.", (io) => io.reads),
    onEachDevice("container_fs_writes_total", "Writes completed.", (io) => io.writes),
    labelled(
      "counter",
      "container_blkio_device_usage_total",
      "Bytes moved by device and operation.",
      ["device", "major", "minor", "operation"],
      ({ details }) =>
        details.io.flatMap(({ major, minor, readBytes, writeBytes }) => {
          const device = [deviceName(major, minor), String(major), String(minor)];
          return [
            { labels: [...device, "Read"], value: readBytes },
            { labels: [...device, "Write"], value: writeBytes },
          ];
        }),
    ),
  ],
  hugetlb: [
    labelled(
      "gauge",
      "container_hugetlb_usage_bytes",
      "Huge pages in use, in bytes.",
      ["pagesize"],
      ({ details }) =>
        details.hugetlb.map(({ pageSize, usage }) => ({ labels: [pageSize], value: usage })),
    ),
    labelled(
      "gauge",
      "container_hugetlb_max_usage_bytes",
      "Largest use of huge pages so far, in bytes.",
      ["pagesize"],
      ({ details }) =>
        details.hugetlb.map(({ pageSize, maxUsage }) => ({ labels: [pageSize], value: maxUsage })),
    ),
  ],
  pressure: (["cpu", "memory", "io"] as const).flatMap((resource) => [
    stall(resource, "stalled", "all of its tasks waited", "full"),
    stall(resource, "waiting", "at least one of its tasks waited", "some"),
  ]),
};

/** Metrics of a pod's network interfaces. */
export const INTERFACE_METRICS: readonly MetricRow<readonly InterfaceStats[]>[] = [
  onInterface("receive_bytes", "Bytes received.", (link) => link.rxBytes),
  onInterface("receive_packets", "Packets received.", (link) => link.rxPackets),
  onInterface(
    "receive_packets_dropped",
    "Packets dropped while receiving.",
    (link) => link.rxDropped,
  ),
  onInterface("receive_errors", "Errors while receiving.", (link) => link.rxErrors),
  onInterface("transmit_bytes", "Bytes transmitted.", (link) => link.txBytes),
  onInterface("transmit_packets", "Packets transmitted.", (link) => link.txPackets),
  onInterface(
    "transmit_packets_dropped",
    "Packets dropped while transmitting.",
    (link) => link.txDropped,
  ),
  onInterface("transmit_errors", "Errors while transmitting.", (link) => link.txErrors),
];

function onDevice(
  name: string,
  help: string,
  read: (fs: NonNullable<ContainerSample["fileSystem"]>, sample: ContainerSample) => number,
): Row {
  return labelled("gauge", name, help, ["device"], (sample) => {
    const { fileSystem } = sample;
    if (fileSystem === undefined) return [];
    return [{ labels: [fileSystem.device], value: read(fileSystem, sample) }];
  });
}

function onEachDevice(
  name: string,
  help: string,
  read: (io: ContainerSample["details"]["io"][number]) => number,
): Row {
  return labelled(
    "counter",
    name,
    help,
    ["device"],
    ({ details }) =>
      details.io.map((io) => ({ labels: [deviceName(io.major, io.minor)], value: read(io) })),
  );
}

function stall(
  resource: "cpu" | "memory" | "io",
  word: "stalled" | "waiting",
  meaning: string,
  line: "full" | "some",
): Row {
  const seconds = ({ total }: PressureLine) => total / MICROSECONDS;
  return labelled(
    "counter",
    `container_pressure_${resource}_${word}_seconds_total`,
    `Time that ${meaning} for ${resource}, in seconds.`,
    [],
    ({ pressure }) => {
      const figures = pressure?.[resource];
      return figures === undefined ? [] : one(seconds(figures[line]));
    },
  );
}

function onInterface(
  what: string,
  help: string,
  read: (link: InterfaceStats) => number,
): MetricRow<readonly InterfaceStats[]> {
  return {
    name: `container_network_${what}_total`,
    help,
    type: "counter",
    labels: ["interface"],
    read: (links) => links.map((link) => ({ labels: [link.name], value: read(link) })),
  };
}
