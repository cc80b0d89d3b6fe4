import type { ScalarSetting, Section, Setting, TableSetting, Values } from "./setting.ts";
import { API } from "./table/api.ts";
import { CHECKPOINT_RESTORE } from "./table/checkpoint_restore.ts";
import { CRIO } from "./table/crio.ts";
import { IMAGE } from "./table/image.ts";
import { NETWORK } from "./table/network.ts";
import { NRI } from "./table/nri.ts";
import { METRICS, STATS, TRACING } from "./table/observation.ts";
import { OPTIONS } from "./table/options.ts";
import { RUNTIME } from "./table/runtime.ts";
import type { RUNTIME_HANDLER } from "./table/runtime_handler.ts";
import type { WORKLOAD } from "./table/workload.ts";

/**
 * Every setting of crid: the one source of the keys of crio.conf, flags, environment variables,
 * defaults, checks, reload classes and documentation. The order is that of the printed file.
 */
export const TABLE = {
  crio: CRIO,
  api: API,
  runtime: RUNTIME,
  image: IMAGE,
  network: NETWORK,
  metrics: METRICS,
  tracing: TRACING,
  stats: STATS,
  checkpoint_restore: CHECKPOINT_RESTORE,
  nri: NRI,
  options: OPTIONS,
} as const satisfies Readonly<Record<string, Section>>;

/** The configuration: sections and keys as in crio.conf, and `options` for what no file can set. */
export type Config = { readonly [S in keyof typeof TABLE]: Values<typeof TABLE[S]> };

/** One OCI runtime of `[crio.runtime.runtimes]`. */
export type RuntimeHandlerConfig = Values<typeof RUNTIME_HANDLER>;

/**
 * The handler of a name that may be any text: a name that every JavaScript object knows, such as
 * `constructor`, finds nothing.
 */
export function runtimeHandler(config: Config, name: string): RuntimeHandlerConfig | undefined {
  return Object.hasOwn(config.runtime.runtimes, name) ? config.runtime.runtimes[name] : undefined;
}

/** One entry of `[crio.runtime.workloads]`. */
export type WorkloadConfig = Values<typeof WORKLOAD>;

/** A row of the table and where it is. */
export interface Entry<S extends Setting = Setting> {
  /** Place in a {@linkcode Config}: `["runtime", "log_level"]`. */
  readonly path: readonly string[];
  readonly key: string;
  readonly setting: S;
}

/** Rows that hold a value of their own: all but the fixed sub-tables, which are entered. */
export type ValueEntry = Entry<Exclude<Setting, TableSetting>>;

/** All rows of a section, with those of its sub-tables. */
export function* entriesOf(section: Section, at: readonly string[]): Generator<ValueEntry> {
  for (const [key, setting] of Object.entries(section)) {
    const path = [...at, key];
    if (setting.type === "table") yield* entriesOf(setting.of, path);
    else yield { path, key, setting };
  }
}

/** All rows of the {@linkcode TABLE}, in its order. */
export const ENTRIES: readonly ValueEntry[] = Object.entries(TABLE)
  .flatMap(([name, section]) => [...entriesOf(section, [name])]);

/** The name of a TOML table, for a place in a {@linkcode Config}: `crio.runtime`. */
export function tomlPath(path: readonly string[]): string {
  return path[0] === "crio" ? path.join(".") : ["crio", ...path].join(".");
}

/** The defaults of a section, sub-tables included. */
export function defaultsOf<S extends Section>(section: S): Values<S> {
  const values = Object.entries(section).map(([key, setting]) => [key, defaultOf(setting)]);
  return Object.fromEntries(values) as Values<S>;
}

function defaultOf(setting: Setting): unknown {
  if (setting.type === "table") return defaultsOf(setting.of);
  if (setting.type !== "tables") return setting.default;
  const tables = Object.entries(setting.default)
    .map(([name, table]) => [name, { ...defaultsOf(setting.of), ...table }]);
  return Object.fromEntries(tables);
}

/** Whether a setting holds one value, as opposed to tables. */
export function isScalar(setting: Setting): setting is ScalarSetting {
  return setting.type !== "table" && setting.type !== "tables";
}
