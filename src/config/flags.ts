import { errorMessage } from "../failure/mod.ts";
import type { Assignment } from "./assignment.ts";
import type { ScalarSetting, TablesSetting } from "./setting.ts";
import { formatDuration } from "./duration.ts";
import { parseRuntimes } from "./runtimes_flag.ts";
import { ENTRIES, isScalar, type ValueEntry } from "./table.ts";
import { parseText, parseVariable, splitList } from "./text_value.ts";

/** A global flag: a row of the table that has one. */
export interface ConfigFlag {
  /** Without dashes. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly path: readonly string[];
  readonly setting: ScalarSetting | TablesSetting;
}

/** All global flags in the order of their names. */
export const FLAGS: readonly ConfigFlag[] = ENTRIES
  .flatMap((entry) => {
    const name = entry.setting.flag;
    return name === undefined ? [] : [toFlag(entry, name)];
  })
  .sort((a, b) => a.name < b.name ? -1 : 1);

function toFlag(entry: ValueEntry, name: string): ConfigFlag {
  return { name, aliases: entry.setting.aliases ?? [], path: entry.path, setting: entry.setting };
}

/** A setting that a flag or variable has set. */
export interface Override {
  readonly flag: ConfigFlag;
  /** As it was written. */
  readonly text: string;
  readonly assignments: readonly Assignment[];
}

/**
 * Reads the value of a flag.
 *
 * @param texts One per time that it was given.
 * @throws {Error} `invalid value "foo" for flag -metrics-port: parse error`.
 */
export function parseFlag(flag: ConfigFlag, texts: readonly string[]): Override {
  try {
    return { flag, text: texts.join(","), assignments: assignmentsOf(flag, texts) };
  } catch (error) {
    const text = JSON.stringify(texts.at(-1) ?? "");
    const kind = flag.setting.type === "boolean" ? "boolean value" : "value";
    const of = flag.setting.type === "boolean" ? "for" : "for flag";
    throw new Error(`invalid ${kind} ${text} ${of} -${flag.name}: ${errorMessage(error)}`);
  }
}

function assignmentsOf(flag: ConfigFlag, texts: readonly string[]): readonly Assignment[] {
  if (!isScalar(flag.setting)) return parseRuntimes(texts);
  return [{ path: flag.path, value: parseText(flag.setting, texts) }];
}

/**
 * Reads all variables that crid knows; a flag of the same setting is stronger.
 *
 * @throws {Error} naming the variable and its flag.
 */
export function readVariables(env: Readonly<Record<string, string>>): Override[] {
  return FLAGS.flatMap((flag) => {
    const variable = flag.setting.env?.find((name) => env[name] !== undefined);
    if (variable === undefined) return [];
    const text = env[variable]!;
    if (!isScalar(flag.setting)) {
      return [{ flag, text, assignments: parseRuntimes([text]) }];
    }
    const parsed = parseVariable(flag.setting, variable, text);
    if (parsed === undefined) return [];
    return [{ flag, text, assignments: [{ path: flag.path, value: parsed.value }] }];
  });
}

/** What a flag was set to, fit for the log: values of environment variables are left out. */
export function overrideText({ flag, text }: Override): string {
  if (flag.setting.secret !== true) return text;
  return splitList(text).map((pair) => pair.replace(/=.*/s, "=<hidden>")).join(",");
}

/** The default of a flag's setting as help shows it; `""` for what is off, empty or a table. */
export function printFlagDefault(setting: ConfigFlag["setting"]): string {
  if (!isScalar(setting)) return Object.keys(setting.default).join(",");
  switch (setting.type) {
    case "boolean":
      return setting.default ? "true" : "";
    case "duration":
      return formatDuration(setting.default);
    case "list":
      return setting.default.join(", ");
    case "map":
      return "";
    default:
      return String(setting.default);
  }
}
