import { now } from "../../observe/mod.ts";
import { interfaceStats } from "../interfaces.ts";
import type { Metric, MetricsContainer, MetricsSource, PodMetrics } from "../types.ts";
import { includedGroups } from "./descriptors.ts";
import { isIncluded, type MetricReaders, sampleContainer } from "./sample.ts";
import { CONTAINER_METRICS, INTERFACE_METRICS, type MetricRow } from "./table.ts";

/** The name that the pod's own metrics bear: that of the infra container, as with cAdvisor. */
const POD_CONTAINER = "POD";

/** Reads all configured metrics of a pod and its containers. */
export async function podMetrics(
  source: MetricsSource,
  readers: MetricReaders,
): Promise<PodMetrics> {
  const containers = await Promise.all(
    source.containers.map(async (container) => ({
      id: container.id,
      metrics: await containerMetrics(source, container, readers),
    })),
  );
  return { id: source.id, metrics: networkMetrics(source), containers };
}

async function containerMetrics(
  source: MetricsSource,
  container: MetricsContainer,
  readers: MetricReaders,
): Promise<readonly Metric[]> {
  const sample = await sampleContainer(container, source.groups, readers);
  if (sample === undefined) return [];
  const labels = [container.id, container.image, source.namespace, source.name, container.name];
  return includedGroups(source.groups, readers.cgroups)
    .flatMap((group) => CONTAINER_METRICS[group] ?? [])
    .flatMap((row) => fill(row, sample, labels));
}

function networkMetrics(source: MetricsSource): readonly Metric[] {
  if (source.pid === undefined || !isIncluded(source.groups, "network")) return [];
  const links = interfaceStats(source.pid);
  const labels = [source.id, "", source.namespace, source.name, POD_CONTAINER];
  return INTERFACE_METRICS.flatMap((row) => fill(row, links, labels));
}

function fill<Sample>(
  row: MetricRow<Sample>,
  sample: Sample,
  labels: readonly string[],
): readonly Metric[] {
  const timestamp = now();
  return row.read(sample).map((read) => ({
    name: row.name,
    timestamp,
    type: row.type,
    labelValues: [...labels, ...read.labels],
    value: typeof read.value === "bigint" ? read.value : BigInt(Math.trunc(read.value)),
  }));
}
