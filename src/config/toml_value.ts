import { errorMessage } from "../failure/mod.ts";
import { parseDuration } from "./duration.ts";
import type { ScalarSetting } from "./setting.ts";

/** A value as `@std/toml` gives it. */
export type Toml = string | boolean | number | Date | readonly Toml[] | TomlTable;
export type TomlTable = { readonly [key: string]: Toml };

export function isTable(value: Toml): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * Reads the TOML value of a setting.
 *
 * @returns What a {@linkcode Config} holds for it.
 * @throws {Error} `expected a string, found an integer`.
 */
export function parseToml(setting: ScalarSetting, value: Toml): unknown {
  switch (setting.type) {
    case "string":
      return expect(value, typeof value === "string", "a string");
    case "boolean":
      return expect(value, typeof value === "boolean", "true or false");
    case "integer":
      return safeInteger(expect(value, Number.isInteger(value), "an integer"));
    case "duration":
      return duration(value);
    case "list":
      expect(value, Array.isArray(value), "an array of strings");
      for (const element of value as readonly Toml[]) {
        expect(element, typeof element === "string", "an array of strings");
      }
      return value;
    case "map":
      expect(value, isTable(value), "a table of strings");
      for (const element of Object.values(value)) {
        expect(element, typeof element === "string", "a table of strings");
      }
      return { ...(value as TomlTable) };
  }
}

/** A text as Go writes it, or nanoseconds. */
function duration(value: Toml): number {
  if (Number.isInteger(value)) return safeInteger(value) / 1e6;
  expect(value, typeof value === "string", 'a duration such as "30s"');
  try {
    return parseDuration(value as string);
  } catch (error) {
    throw new Error(`expected a duration such as "30s": ${errorMessage(error)}`);
  }
}

function safeInteger(value: Toml): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`value out of range: ${value}`);
  return number;
}

function expect(value: Toml, fits: boolean, expected: string): Toml {
  if (!fits) throw new Error(`expected ${expected}, found ${nameOf(value)}`);
  return value;
}

/** What kind of value it is, for an error. */
export function nameOf(value: Toml): string {
  switch (typeof value) {
    case "string":
      return "a string";
    case "boolean":
      return "a boolean";
    case "number":
      return Number.isInteger(value) ? "an integer" : "a float";
  }
  if (Array.isArray(value)) return "an array";
  return value instanceof Date ? "a date" : "a table";
}
