import type { Metric, MetricDescriptor, PodMetrics } from "../../stats/mod.ts";
import {
  type Metric as WireMetric,
  type MetricDescriptor as WireDescriptor,
  MetricType,
  type PodSandboxMetrics,
} from "../../gen/runtime/v1/api.ts";

export function writeDescriptor(descriptor: MetricDescriptor): WireDescriptor {
  return { name: descriptor.name, help: descriptor.help, labelKeys: descriptor.labelKeys };
}

export function writePodMetrics(pod: PodMetrics): PodSandboxMetrics {
  return {
    podSandboxId: pod.id,
    metrics: pod.metrics.map(writeMetric),
    containerMetrics: pod.containers.map(({ id, metrics }) => ({
      containerId: id,
      metrics: metrics.map(writeMetric),
    })),
  };
}

function writeMetric(metric: Metric): WireMetric {
  return {
    name: metric.name,
    timestamp: metric.timestamp,
    metricType: metric.type === "counter" ? MetricType.COUNTER : MetricType.GAUGE,
    labelValues: metric.labelValues,
    value: { value: metric.value },
  };
}
