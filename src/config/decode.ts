import { parse } from "@std/toml";
import { CridError, errorMessage } from "../failure/mod.ts";
import type { Section, Setting, TablesSetting } from "./setting.ts";
import { assign, type Assignment } from "./assignment.ts";
import { defaultsOf, TABLE } from "./table.ts";
import { isTable, nameOf, parseToml, type Toml, type TomlTable } from "./toml_value.ts";

/** What one configuration file says. */
export interface DecodedFile {
  readonly assignments: readonly Assignment[];
  /** Keys that crid does not know, as they are written: `crio.runtime.colour`. */
  readonly unknown: readonly string[];
}

/** A value that does not fit its key; `keys` is where it is, spelled as in the file. */
class Misfit extends Error {
  readonly keys: readonly string[];
  constructor(keys: readonly string[], message: string) {
    super(message);
    this.keys = keys;
  }
}

/**
 * Reads the text of a configuration file.
 *
 * @param file For errors.
 * @throws {CridError} `invalid_argument`, `unable to decode configuration <file>: line 3: …`.
 */
export function decodeFile(file: string, text: string): DecodedFile {
  const reader = new Reader();
  try {
    reader.root(parse(text) as TomlTable);
  } catch (error) {
    throw new CridError(
      "invalid_argument",
      `unable to decode configuration ${file}: ${explain(error, text)}`,
      { cause: error },
    );
  }
  return reader;
}

function explain(error: unknown, text: string): string {
  if (error instanceof Misfit) {
    return `line ${lineOf(text, error.keys)}: ${error.keys.join(".")}: ${error.message}`;
  }
  const message = errorMessage(error);
  const [what = ""] = message.replace(/^Invalid TOML document: /, "").split("\n");
  const line = lineIn(message);
  return line === undefined || what.includes(`line ${line}`) ? what : `line ${line}: ${what}`;
}

/** The line that a parser's message is about: in words, or the one above a caret. */
function lineIn(message: string): string | undefined {
  return /\bline (\d+)/.exec(message)?.[1] ?? /^(\d+):[^\n]*\n *\^/m.exec(message)?.[1];
}

/**
 * The line in which a key begins: the first one that a text without it does not reach. The parser
 * itself is asked, so that every way of writing a key is found.
 */
function lineOf(text: string, keys: readonly string[]): number {
  const lines = text.split("\n");
  let last = 0;
  for (let count = 1; count <= lines.length; count++) {
    try {
      if (has(parse(lines.slice(0, count).join("\n")) as TomlTable, keys)) break;
      last = count;
    } catch {
      // The cut went through an array or a text of several lines.
    }
  }
  return Math.min(last + 1, lines.length);
}

function has(table: TomlTable, keys: readonly string[]): boolean {
  let value: Toml = table;
  for (const key of keys) {
    if (!isTable(value) || !Object.hasOwn(value, key)) return false;
    value = value[key]!;
  }
  return true;
}

class Reader implements DecodedFile {
  readonly assignments: Assignment[] = [];
  readonly unknown: string[] = [];

  /** The whole document: everything is below `[crio]`. */
  root(document: TomlTable): void {
    for (const [key, value] of Object.entries(document)) {
      if (key.toLowerCase() === "crio") this.#crio(tableAt([key], value), [key]);
      else this.unknown.push(key);
    }
  }

  /** `[crio]` holds keys of its own and the other sections. */
  #crio(table: TomlTable, at: readonly string[]): void {
    const { crio, options: _, ...sections } = TABLE;
    const own: Record<string, Toml> = {};
    for (const [key, value] of Object.entries(table)) {
      const name = match(sections, key);
      if (name === undefined) own[key] = value;
      else {
        const keys = [...at, key];
        this.#section(sections[name as keyof typeof sections], [name], tableAt(keys, value), keys);
      }
    }
    this.#section(crio, ["crio"], own, at);
  }

  #section(
    section: Section,
    path: readonly string[],
    table: TomlTable,
    at: readonly string[],
  ): void {
    for (const [key, value] of Object.entries(table)) {
      const name = match(section, key);
      const keys = [...at, key];
      if (name === undefined) this.unknown.push(keys.join("."));
      else this.#setting(section[name]!, [...path, name], value, keys);
    }
  }

  #setting(setting: Setting, path: readonly string[], value: Toml, at: readonly string[]): void {
    if (setting.type === "table") this.#section(setting.of, path, tableAt(at, value), at);
    else if (setting.type === "tables") this.#tables(setting, path, tableAt(at, value), at);
    else this.assignments.push({ path, value: misfitAt(at, () => parseToml(setting, value)) });
  }

  /** Each entry is read on its own and is complete: what it does not say is a default. */
  #tables(
    setting: TablesSetting,
    path: readonly string[],
    tables: TomlTable,
    at: readonly string[],
  ): void {
    for (const [name, table] of Object.entries(tables)) {
      const entry = new Reader();
      const keys = [...at, name];
      if (name === "__proto__") throw new Misfit(keys, "no entry can have this name");
      entry.#section(setting.of, [], tableAt(keys, table), keys);
      this.unknown.push(...entry.unknown);
      this.assignments.push({
        path: [...path, name],
        value: assign(defaultsOf(setting.of), entry.assignments),
      });
    }
  }
}

/** The key of a table that is meant: the same text, else the same but for case. */
function match(table: Readonly<Record<string, unknown>>, key: string): string | undefined {
  if (Object.hasOwn(table, key)) return key;
  return Object.keys(table).find((known) => known.toLowerCase() === key.toLowerCase());
}

function tableAt(keys: readonly string[], value: Toml): TomlTable {
  if (isTable(value)) return value;
  throw new Misfit(keys, `expected a table, found ${nameOf(value)}`);
}

function misfitAt<Value>(keys: readonly string[], read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new Misfit(keys, errorMessage(error));
  }
}
