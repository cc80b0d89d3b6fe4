/**
 * The configuration: one table is the source of every key of crio.conf, flag, environment variable,
 * default and line of documentation.
 *
 * @module
 */

export { type Config, type RuntimeHandlerConfig, type WorkloadConfig } from "./table.ts";
export { defaultConfig, type HostDefaults, type StorageDefaults } from "./defaults.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export { GATED_ANNOTATIONS } from "./table/annotations.ts";
