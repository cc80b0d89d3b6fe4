import { jsonLine, logTime, textLine } from "./log_line.ts";
import {
  fileSink,
  type LogSink,
  portSink,
  relayTo,
  stderrSink,
  type WorkerLog,
} from "./log_sink.ts";

/** Levels as logrus names them, the most severe first. */
export const LEVELS = ["panic", "fatal", "error", "warning", "info", "debug", "trace"] as const;

/** One of {@linkcode LEVELS}. */
export type Level = (typeof LEVELS)[number];

/** What belongs to an event besides its text: ids, names, counts. Never a secret. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Reads a level as logrus does: case is ignored and `warn` means `warning`.
 *
 * @throws {Error} `not a valid logrus Level: "x"`, the text that CRI-O's users know.
 */
export function parseLevel(text: string): Level {
  const word = text.toLowerCase();
  const level = word === "warn" ? "warning" : word;
  if ((LEVELS as readonly string[]).includes(level)) return level as Level;
  throw new Error(`not a valid logrus Level: "${text}"`);
}

/**
 * Reads a `log_filter`. Flags before the expression, `(?i)`, are accepted as Go writes them.
 *
 * @throws {SyntaxError} for an expression that is none.
 */
export function parseFilter(text: string): RegExp {
  const [, flags = "", pattern] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(text)!;
  return new RegExp(pattern!, flags);
}

/** What the user has set about the log. */
export interface LogOptions {
  /** One of {@linkcode LEVELS}, or `warn`. */
  readonly level: string;
  /** `text` or `json`. */
  readonly format: string;
  /** Only messages that match are kept; `""` keeps all. */
  readonly filter: string;
  /** Appended to; `""` means standard error. */
  readonly file: string;
}

/** How all loggers of an isolate write. */
interface Output {
  level: Level;
  format: "text" | "json";
  filter: RegExp | undefined;
  sink: LogSink;
}

const output: Output = { level: "info", format: "text", filter: undefined, sink: stderrSink };

/** Writes events as logrus does, so that tools and tests made for CRI-O's log read crid's. */
export class Logger {
  readonly #fields: Fields;

  constructor(fields: Fields = {}) {
    this.#fields = fields;
  }

  /** Sets where and how every logger of this isolate writes. */
  static configure(options: Partial<Output>): void {
    Object.assign(output, options);
  }

  /** A logger that adds `fields` to each of its events. */
  with(fields: Fields): Logger {
    return new Logger({ ...this.#fields, ...fields });
  }

  /** Whether an event of `level` would be written; lets a caller skip making an expensive text. */
  enabled(level: Level): boolean {
    return LEVELS.indexOf(level) <= LEVELS.indexOf(output.level);
  }

  /** The last word before the process ends with 1. Ending it is up to the caller. */
  fatal(message: string, fields?: Fields): void {
    this.#event("fatal", message, fields);
  }
  error(message: string, fields?: Fields): void {
    this.#event("error", message, fields);
  }
  warn(message: string, fields?: Fields): void {
    this.#event("warning", message, fields);
  }
  info(message: string, fields?: Fields): void {
    this.#event("info", message, fields);
  }
  debug(message: string, fields?: Fields): void {
    this.#event("debug", message, fields);
  }
  trace(message: string, fields?: Fields): void {
    this.#event("trace", message, fields);
  }

  #event(level: Level, message: string, fields: Fields | undefined): void {
    if (!this.enabled(level)) return;
    // The filter is for finding something in a busy log; it must not hide why the process ends.
    if (level !== "fatal" && output.filter?.test(message) === false) return;
    const event = { time: logTime(), level, message, fields: { ...this.#fields, ...fields } };
    const line = output.format === "json" ? jsonLine(event) : textLine(event);
    output.sink.write(line);
    // Whoever started the process looks at its standard error first.
    if (level === "fatal" && output.sink !== stderrSink) stderrSink.write(line);
  }
}

/** The logger of this isolate. */
export const log: Logger = new Logger();

/**
 * Sets up the log of the main isolate.
 *
 * @throws {Error} for a level, format or filter that is none, or a file that cannot be opened.
 */
export function configureLog({ level, format, filter, file }: LogOptions): void {
  if (format !== "text" && format !== "json") throw new Error(`unknown log-format "${format}"`);
  Logger.configure({
    level: parseLevel(level),
    format,
    filter: filter === "" ? undefined : parseFilter(filter),
    sink: file === "" ? stderrSink : fileSink(file),
  });
}

/**
 * Changes what this isolate logs, and leaves where and how as it is.
 *
 * @throws {Error} for a level or filter that is none.
 */
export function setLogLevel(
  { level, filter }: Pick<LogOptions, "level" | "filter">,
): void {
  Logger.configure({
    level: parseLevel(level),
    filter: filter === "" ? undefined : parseFilter(filter),
  });
}

/**
 * What a Worker needs to log as this isolate does. Lines go straight to standard error from every
 * isolate, but a file is written by the main isolate alone: transfer `port` when it is there.
 */
export function logForWorker(): WorkerLog {
  const { level, format, filter, sink } = output;
  const settings = { level, format, filter: filterText(filter) };
  return sink === stderrSink ? settings : { ...settings, port: relayTo(sink) };
}

/** Sets up the log of a Worker with what {@linkcode logForWorker} has said. */
export function configureWorkerLog({ level, format, filter, port }: WorkerLog): void {
  Logger.configure({
    level: parseLevel(level),
    format,
    filter: filter === "" ? undefined : parseFilter(filter),
    sink: port === undefined ? stderrSink : portSink(port),
  });
}

function filterText(filter: RegExp | undefined): string {
  if (filter === undefined) return "";
  return filter.flags === "" ? filter.source : `(?${filter.flags})${filter.source}`;
}
