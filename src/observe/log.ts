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

/** One destination that all loggers of an isolate share. */
interface Sink {
  level: Level;
  format: "text" | "json";
  filter: RegExp | undefined;
  write(line: string): void;
}

const encoder = new TextEncoder();
const sink: Sink = {
  level: "info",
  format: "text",
  filter: undefined,
  write: (line) => void Deno.stderr.writeSync(encoder.encode(line)),
};

/** Writes events as logrus does, so that tools and tests made for CRI-O's log read crid's. */
export class Logger {
  readonly #fields: Fields;

  constructor(fields: Fields = {}) {
    this.#fields = fields;
  }

  /** Sets where and how every logger of this isolate writes. */
  static configure(options: Partial<Sink>): void {
    Object.assign(sink, options);
  }

  /** A logger that adds `fields` to each of its events. */
  with(fields: Fields): Logger {
    return new Logger({ ...this.#fields, ...fields });
  }

  /** Whether an event of `level` would be written; lets a caller skip making an expensive text. */
  enabled(level: Level): boolean {
    return LEVELS.indexOf(level) <= LEVELS.indexOf(sink.level);
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
    if (sink.filter !== undefined && !sink.filter.test(message)) return;
    const all = { ...this.#fields, ...fields };
    const time = new Date().toISOString();
    sink.write(
      sink.format === "json"
        ? JSON.stringify({ ...all, level, msg: message, time }) + "\n"
        : textLine(time, level, message, all),
    );
  }
}

function textLine(time: string, level: Level, message: string, fields: Fields): string {
  let line = `time="${time}" level=${level} msg=${JSON.stringify(message)}`;
  for (const key of Object.keys(fields).sort()) {
    const value = fields[key];
    if (value !== undefined) line += ` ${key}=${fieldText(String(value))}`;
  }
  return line + "\n";
}

/** logrus leaves plain words bare and quotes the rest. */
function fieldText(value: string): string {
  return /^[A-Za-z0-9\-._/@^+]+$/.test(value) ? value : JSON.stringify(value);
}

/** The logger of this isolate. */
export const log: Logger = new Logger();
