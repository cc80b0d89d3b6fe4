import { formatDuration } from "./duration.ts";
import type { ScalarSetting, Section, Setting, TablesSetting } from "./setting.ts";
import { type Config, TABLE, tomlPath } from "./table.ts";

/** What a printed configuration is for. */
export interface PrintOptions {
  /** `log` keeps the values of environment variables out; `file` can be loaded again. */
  readonly for: "file" | "log";
}

/** The whole configuration as plain TOML: every key of every table, without comments. */
export function printToml(config: Config, options: PrintOptions): string {
  const { options: _, ...sections } = TABLE;
  return Object.entries(sections)
    .flatMap(([name, section]) =>
      printSection([name], section, config[name as keyof typeof sections], options)
    )
    .join("\n\n") + "\n";
}

/** The tables that a section consists of, its own first. */
function printSection(
  path: readonly string[],
  section: Section,
  values: Readonly<Record<string, unknown>>,
  options: PrintOptions,
): string[] {
  const own: string[] = [`[${tableName(path)}]`];
  const below: string[] = [];
  for (const [key, setting] of Object.entries(section)) {
    const value = values[key];
    if (setting.type === "table") {
      const table = value as Record<string, unknown>;
      below.push(...printSection([...path, key], setting.of, table, options));
    } else if (setting.type === "tables") {
      below.push(...printTables([...path, key], setting, value, options));
    } else own.push(`${key} = ${printValue(setting, value, options)}`);
  }
  return [own.join("\n"), ...below];
}

function printTables(
  path: readonly string[],
  setting: TablesSetting,
  tables: unknown,
  options: PrintOptions,
): string[] {
  return Object.entries(tables as Record<string, Record<string, unknown>>)
    .flatMap(([name, table]) => printSection([...path, name], setting.of, table, options));
}

/** A table's name as TOML writes it; names that are the user's are quoted where it takes that. */
export function tableName(path: readonly string[]): string {
  return tomlPath(path.map(printKey));
}

/** A value on one line. */
export function printValue(
  setting: ScalarSetting,
  value: unknown,
  options: PrintOptions = { for: "file" },
): string {
  switch (setting.type) {
    case "string":
      return printText(value as string);
    case "duration":
      return printText(formatDuration(value as number));
    case "list":
      return `[${elementsOf(setting, value, options).join(", ")}]`;
    case "map":
      return printMap(value as Readonly<Record<string, string>>);
    default:
      return String(value);
  }
}

/** The elements of a list, each as TOML. */
export function elementsOf(
  setting: Setting,
  value: unknown,
  options: PrintOptions = { for: "file" },
): string[] {
  const mask = options.for === "log" && setting.type === "list" && setting.secret === true;
  return (value as readonly string[])
    .map((text) => printText(mask ? text.replace(/=.*/s, "=<hidden>") : text));
}

function printMap(map: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(map).map(([key, text]) => `${printKey(key)} = ${printText(text)}`);
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
}

function printKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : printText(key);
}

/** A TOML basic string: JSON's, but that DEL must be escaped too. */
function printText(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007F");
}
