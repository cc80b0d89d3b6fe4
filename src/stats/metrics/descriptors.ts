import type { CgroupDriver } from "../../cgroup/mod.ts";
import type { MetricDescriptor, MetricGroup } from "../types.ts";
import { isIncluded } from "./sample.ts";
import { CONTAINER_METRICS, INTERFACE_METRICS, type MetricRow } from "./table.ts";

/** Labels that every metric has, in this order. */
export const BASE_LABELS = ["id", "image", "namespace", "pod", "container"] as const;

/** What this host can fill of the groups: announcing more would be a promise not kept. */
export function metricDescriptors(
  groups: readonly MetricGroup[],
  cgroups: CgroupDriver,
): readonly MetricDescriptor[] {
  const describe = <T>({ name, help, labels }: MetricRow<T>) => ({
    name,
    help,
    labelKeys: [...BASE_LABELS, ...labels],
  });
  const containers = includedGroups(groups, cgroups)
    .flatMap((group) => CONTAINER_METRICS[group] ?? [])
    .map(describe);
  return isIncluded(groups, "network")
    ? [...containers, ...INTERFACE_METRICS.map(describe)]
    : containers;
}

/** The groups of container metrics that are configured and that this host has figures for. */
export function includedGroups(
  groups: readonly MetricGroup[],
  cgroups: CgroupDriver,
): readonly (MetricGroup | "always")[] {
  const all = Object.keys(CONTAINER_METRICS) as (MetricGroup | "always")[];
  return all.filter((group) => {
    if (group === "always") return true;
    if (group === "pressure" && cgroups.version === 1) return false;
    if (group === "hugetlb" && !cgroups.controllers().has("hugetlb")) return false;
    return isIncluded(groups, group);
  });
}
