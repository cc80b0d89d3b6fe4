import { errorMessage } from "../failure/mod.ts";
import { parseDuration } from "./duration.ts";
import type { ScalarSetting } from "./setting.ts";

/**
 * Reads a value of a flag or an environment variable.
 *
 * @param texts One per time that the flag was given; all but lists take the last.
 * @returns What a {@linkcode Config} holds for the setting.
 * @throws {Error} `parse error` or `value out of range`, as Go's flag package says it.
 */
export function parseText(setting: ScalarSetting, texts: readonly string[]): unknown {
  const text = texts.at(-1) ?? "";
  switch (setting.type) {
    case "string":
      return text;
    case "boolean":
      return parseBoolean(text);
    case "integer":
      return parseInteger(text);
    case "duration":
      return parseDuration(text);
    case "list":
      return texts.flatMap(splitList);
    case "map":
      return Object.fromEntries(texts.flatMap(splitList).map(parsePair));
  }
}

/** Comma-separated, blanks around an element do not count; an empty text is an empty list. */
export function splitList(text: string): string[] {
  return text === "" ? [] : text.split(",").map((element) => element.trim());
}

const TRUE = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE = ["0", "f", "F", "FALSE", "false", "False"];

function parseBoolean(text: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new Error("parse error");
}

function parseInteger(text: string): number {
  if (!/^[+-]?(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.test(text)) throw new Error("parse error");
  const digits = text.replace(/^[+-]/, "");
  const value = Number(digits) * (text.startsWith("-") ? -1 : 1);
  if (!Number.isSafeInteger(value)) throw new Error("value out of range");
  return value + 0;
}

function parsePair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new Error("parse error");
  return [text.slice(0, at), text.slice(at + 1)];
}

/**
 * Reads an environment variable; an empty one sets texts and lists to empty and a bool to false,
 * and leaves numbers alone.
 *
 * @returns `undefined` when the variable sets nothing.
 * @throws {Error} naming the variable and the flag.
 */
export function parseVariable(
  setting: ScalarSetting,
  variable: string,
  text: string,
): { readonly value: unknown } | undefined {
  if (text === "" && (setting.type === "integer" || setting.type === "duration")) return undefined;
  if (text === "" && setting.type === "boolean") return { value: false };
  try {
    return { value: parseText(setting, [text]) };
  } catch (error) {
    throw new Error(
      `could not parse ${JSON.stringify(text)} as ${setting.type} value from environment ` +
        `variable ${JSON.stringify(variable)} for flag ${setting.flag}: ${errorMessage(error)}`,
    );
  }
}
