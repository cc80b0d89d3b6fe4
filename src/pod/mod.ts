/**
 * The domain: pod sandboxes and containers, from their creation to their removal.
 *
 * @module
 */

export type { PodDependencies, PodOptions } from "./context.ts";
export { parseIdMaps } from "./id_ranges.ts";
export { createPods } from "./pods.ts";
export type { PodSelinux } from "./selinux.ts";
export { podRecord, savedCgroupParent } from "./sandbox_record.ts";
export type { UserNamespaceOptions } from "./user_namespace.ts";
export type { Workload, WorkloadResources } from "./workloads.ts";
export type * from "./types.ts";
