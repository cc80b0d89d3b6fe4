/**
 * The configuration: one table is the source of every key of crio.conf, flag, environment variable,
 * default and line of documentation.
 *
 * @module
 */

export {
  type Config,
  runtimeHandler,
  type RuntimeHandlerConfig,
  type WorkloadConfig,
} from "./table.ts";
export { defaultConfig, type HostDefaults, type StorageDefaults } from "./defaults.ts";
export { type ConfigSources, loadConfig, type LoadedConfig } from "./load.ts";
export {
  type ConfigFlag,
  FLAGS,
  type Override,
  overrideText,
  parseFlag,
  printFlagDefault,
} from "./flags.ts";
export type { Message } from "./message.ts";
export { reloadConfig, type Reloaded } from "./reload.ts";
export { validateConfig } from "./validate.ts";
export { checkHost, type HostConfig } from "./host.ts";
export { makeDirectories } from "./directories.ts";
export { notBuilt } from "./not_built.ts";
export { describe, type FileOptions, printFile } from "./print_file.ts";
export { type PrintOptions, printToml } from "./print_toml.ts";
export { printMarkdown } from "./print_markdown.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export { minimumMemory, parseBytes } from "./bytes.ts";
export { parseQuantity } from "./quantity.ts";
export { collectorName } from "./check.ts";
export { GATED_ANNOTATIONS } from "./table/annotations.ts";
