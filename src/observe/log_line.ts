import { preciseTime } from "./clock.ts";
import type { Fields, Level } from "./log.ts";

/** One event as it is written. */
export interface LogEvent {
  /** As {@linkcode logTime} gives it. */
  readonly time: string;
  readonly level: Level;
  readonly message: string;
  readonly fields: Fields;
}

/** An event as logrus writes text: time, level, message, then the fields in order of their names. */
export function textLine({ time, level, message, fields }: LogEvent): string {
  const rest = sorted(fields).map(([key, value]) => ` ${key}=${word(String(value))}`);
  return `time="${time}" level=${level} msg=${quote(message)}${rest.join("")}\n`;
}

/** An event as logrus writes JSON: one object, its keys in order. */
export function jsonLine({ time, level, message, fields }: LogEvent): string {
  const all = sorted({ ...clearOf(fields), level, msg: message, time });
  return JSON.stringify(Object.fromEntries(all)) + "\n";
}

/** A field must not pass for the event's own time, level or message. */
function clearOf(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) =>
      ["time", "level", "msg"].includes(key) ? [`fields.${key}`, value] : [key, value]
    ),
  );
}

function sorted(fields: Fields): [string, string | number | boolean][] {
  return Object.entries(fields)
    .filter((field): field is [string, string | number | boolean] => field[1] !== undefined)
    .sort(([a], [b]) => a < b ? -1 : 1);
}

/** Plain words stay bare, the rest is quoted. */
function word(value: string): string {
  return /^[A-Za-z0-9\-._/@^+]*$/.test(value) ? value : quote(value);
}

/**
 * Characters that a terminal obeys or that change how text around them reads: an image or a client
 * must not be able to forge what the operator sees. JSON escapes those below space already.
 */
const DECEIVING = /[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function quote(text: string): string {
  return JSON.stringify(text).replace(
    DECEIVING,
    (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** The time as Go's RFC3339Nano, in UTC: `2026-01-02T03:04:05.678901234Z`. */
export function logTime(): string {
  const time = preciseTime();
  const seconds = Math.floor(time / 1000);
  const nanoseconds = Math.floor((time - seconds * 1000) * 1e6);
  const second = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${second}.${String(nanoseconds).padStart(9, "0")}Z`;
}
