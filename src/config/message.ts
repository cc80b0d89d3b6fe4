import type { Fields } from "../observe/mod.ts";

/**
 * Something to log about the configuration. It is handed on and not logged at once, because only
 * the finished configuration says how and where to log.
 */
export interface Message {
  readonly level: "debug" | "info" | "warning";
  readonly text: string;
  readonly fields?: Fields;
}

export function info(text: string, fields?: Fields): Message {
  return { level: "info", text, ...(fields && { fields }) };
}

export function warning(text: string, fields?: Fields): Message {
  return { level: "warning", text, ...(fields && { fields }) };
}
