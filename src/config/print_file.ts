import { equal } from "./equal.ts";
import { elementsOf, printValue, tableName } from "./print_toml.ts";
import type { ScalarSetting, Section, TablesSetting } from "./setting.ts";
import { type Config, TABLE } from "./table.ts";

/** What {@linkcode printFile} leaves uncommented. */
export interface FileOptions {
  /** Values that equal these are comments; without it every value is printed as set. */
  readonly defaults?: Config;
}

const WIDTH = 78;

const HEAD = `This is crid's configuration file, in the format of crio.conf(5) and TOML.

Values that are commented out are the defaults. Files in /etc/crio/crio.conf.d are stronger than \
this file, and environment variables and flags are stronger than both. "crid config" prints what \
results from all of them; docs/configuration.md explains it.`;

const SECTION_DOCS: Readonly<Record<keyof typeof TABLE, string>> = {
  crio: "Where images, containers, logs and state are kept.",
  api: "The sockets that the kubelet, crictl and streaming clients talk to.",
  runtime: "How pods and containers are run, and crid's own log.",
  image: "How images are pulled and kept. Registries are configured in registries.conf(5).",
  network: "Pod networks through CNI plugins.",
  metrics: "Metrics for Prometheus.",
  tracing: "Spans for OpenTelemetry.",
  stats: "Figures of pods and containers for the kubelet.",
  checkpoint_restore: "Checkpointing and restoring containers with CRIU.",
  nri: "Plugins of the Node Resource Interface.",
  options: "",
};

/** A configuration file with an explanation of every key. Its lines `key = "value"` are for sed. */
export function printFile(config: Config, options: FileOptions = {}): string {
  const { options: _, ...sections } = TABLE;
  const blocks = Object.entries(sections).flatMap(([name, section]) => {
    const key = name as keyof typeof sections;
    const [first, ...rest] = printSection([name], section, config[key], options.defaults?.[key]);
    return [`${comment(SECTION_DOCS[key])}\n${first}`, ...rest];
  });
  return [comment(HEAD), ...blocks].join("\n\n") + "\n";
}

type Values = Readonly<Record<string, unknown>>;

function printSection(
  path: readonly string[],
  section: Section,
  values: Values,
  defaults: Values | undefined,
): string[] {
  const own: string[] = [`[${tableName(path)}]`];
  const below: string[] = [];
  for (const [key, setting] of Object.entries(section)) {
    const value = values[key];
    const usual = defaults?.[key];
    if (setting.type === "table") {
      const at = [...path, key];
      const [first, ...rest] = printSection(at, setting.of, value as Values, usual as Values);
      below.push(`${comment(setting.doc)}\n${first}`, ...rest);
    } else if (setting.type === "tables") {
      below.push(...printTables([...path, key], setting, value as Values, usual));
    } else {
      const lines = assignment(key, setting, value);
      const shown = equal(value, usual) ? comment(lines) : lines;
      own.push(`${comment(describe(setting))}\n${shown}`);
    }
  }
  return [own.join("\n\n"), ...below];
}

/** Handlers or workloads: their keys are explained once, then each entry follows. */
function printTables(
  path: readonly string[],
  setting: TablesSetting,
  tables: Values,
  usual: unknown,
): string[] {
  const asDefault = equal(tables, usual);
  const explanation = comment(
    [`${setting.doc} Keys of [${tableName(path)}.<name>]:`, ...explain(setting.of, "")].join("\n"),
  );
  const entries = Object.entries(tables).map(([name, table]) => {
    const text = printTable([...path, name], setting.of, table as Values).join("\n");
    return asDefault ? comment(text) : text;
  });
  return [explanation, ...entries];
}

function explain(section: Section, prefix: string): string[] {
  return Object.entries(section).flatMap(([key, setting]) =>
    setting.type === "table"
      ? explain(setting.of, `${key}.`)
      : [`- ${prefix}${key}: ${describe(setting)}`]
  );
}

function printTable(path: readonly string[], section: Section, values: Values): string[] {
  const own = [`[${tableName(path)}]`];
  const below: string[] = [];
  for (const [key, setting] of Object.entries(section)) {
    if (setting.type === "table") {
      below.push(...printTable([...path, key], setting.of, values[key] as Values));
    } else if (setting.type !== "tables") own.push(assignment(key, setting, values[key]));
  }
  return [...own, ...below];
}

/** A list has a line for each element, as people edit it. */
function assignment(key: string, setting: ScalarSetting, value: unknown): string {
  if (setting.type !== "list") return `${key} = ${printValue(setting, value)}`;
  const lines = elementsOf(setting, value).map((element) => `\t${element},\n`);
  return `${key} = [\n${lines.join("")}]`;
}

/** What a row says about itself, with its state of affairs. */
export function describe(setting: Exclude<Section[string], { type: "table" }>): string {
  const parts = [setting.doc];
  if (setting.deprecated !== undefined) parts.push(`Deprecated: ${setting.deprecated}.`);
  if (setting.built === false) parts.push("Has no effect yet: not built in this release.");
  if (setting.used === false) parts.push("Has no effect.");
  else if (setting.reload) parts.push("Applied on SIGHUP.");
  return parts.join(" ");
}

/** Comments every line; prose is wrapped, and what stands at `key = ` or in a list is not. */
function comment(text: string): string {
  return text.split("\n").flatMap(wrap).map((line) => line === "" ? "#" : `# ${line}`).join("\n");
}

function wrap(line: string): string[] {
  if (/^(\[|\]|\t|[a-z_]+ = )/.test(line) || line.length <= WIDTH) return [line];
  const indent = line.startsWith("- ") ? "  " : "";
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current.length + word.length >= WIDTH && current.trim() !== "") {
      lines.push(current);
      current = indent + word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
