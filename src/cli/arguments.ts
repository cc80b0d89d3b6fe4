/** A flag as the parser and the help see it. */
export interface FlagSpec {
  /** Without dashes. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** A bool is set by its name alone and takes a value only after `=`. */
  readonly kind: "boolean" | "text";
  readonly doc: string;
  /** As help shows it; nothing for a flag that is off or empty. */
  readonly usual?: string;
  readonly env?: readonly string[];
  readonly hidden?: true;
}

/** What stood on a command line, up to the first argument that is no flag. */
export interface ParsedArguments {
  /** Values by flag name, in the order given. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
}

/** A mistake in how crid was called; the answer shows the usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses flags as Go's flag package does: one dash or two, `--flag=value` or `--flag value`, a bool
 * with `=true` or `=false` or alone, `--` ends the flags, and so does the first argument without a
 * dash.
 *
 * @throws {UsageError} in Go's words.
 */
export function parseArguments(
  argv: readonly string[],
  specs: readonly FlagSpec[],
): ParsedArguments {
  const byName = new Map(
    specs.flatMap((spec) => [spec.name, ...spec.aliases].map((name) => [name, spec] as const)),
  );
  const flags = new Map<string, string[]>();
  let at = 0;
  while (at < argv.length) {
    const argument = argv[at]!;
    if (!argument.startsWith("-") || argument === "-") break;
    at++;
    if (argument === "--") break;
    const [, name, inline] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === undefined) throw new UsageError(`bad flag syntax: ${argument}`);
    const spec = byName.get(name);
    if (spec === undefined) throw new UsageError(`flag provided but not defined: -${name}`);
    let value = inline;
    if (value === undefined) {
      if (spec.kind === "boolean") value = "true";
      else if (at < argv.length) value = argv[at++]!;
      else throw new UsageError(`flag needs an argument: -${name}`);
    }
    flags.set(spec.name, [...flags.get(spec.name) ?? [], value]);
  }
  return { flags, rest: argv.slice(at) };
}

/**
 * Whether a bool flag is on.
 *
 * @throws {UsageError} for a value that is no bool.
 */
export function isOn({ flags }: ParsedArguments, name: string): boolean {
  const value = flags.get(name)?.at(-1) ?? "false";
  if (["1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  throw new UsageError(`invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`);
}

/** The last value of a text flag. */
export function textOf({ flags }: ParsedArguments, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}
