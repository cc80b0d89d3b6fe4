import type { Pods } from "../pod/mod.ts";
import type { MetricsProvider } from "../server/mod.ts";
import type { MetricGroup, Stats } from "../stats/mod.ts";

/**
 * The metrics of all pods, of the groups that the configuration names.
 *
 * @param included `included_pod_metrics`; asked again for each answer, since a reload changes it.
 */
export function podMetrics(
  included: () => readonly string[],
  pods: Pods,
  stats: Stats,
): MetricsProvider {
  // The configuration has checked the names.
  const groups = () => included() as readonly MetricGroup[];
  return {
    descriptors: () => stats.descriptors(groups()),
    metrics: () => pods.metrics(groups()),
  };
}
