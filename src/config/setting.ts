/** A key of crio.conf: everything that crid knows about it, in one row. */
export type Setting =
  | StringSetting
  | BooleanSetting
  | IntegerSetting
  | DurationSetting
  | ListSetting
  | MapSetting
  | TableSetting
  | TablesSetting;

/** A setting that holds one value, as opposed to a table of settings. */
export type ScalarSetting = Exclude<Setting, TableSetting | TablesSetting>;

/** Rows by key, spelled as in crio.conf. */
export type Section = { readonly [key: string]: Setting };

interface Row {
  /** What it means, what an empty value means, and where crid differs from CRI-O. */
  readonly doc: string;
  /** Command-line flag without dashes. */
  readonly flag?: string;
  /** Other names of the flag. */
  readonly aliases?: readonly string[];
  /** Environment variables, the first one that is set wins. */
  readonly env?: readonly string[];
  /** The flag works but is not shown in help. */
  readonly hidden?: true;
  /** Whether SIGHUP applies a change; otherwise it takes a restart. */
  readonly reload?: true;
  /** The feature behind it is not built yet: a value other than the default is said so in the log. */
  readonly built?: false;
  /** crid has no use for it, and never will; the doc says why. */
  readonly used?: false;
  /** The value that asks for what crid does without the feature; setting it is no news. */
  readonly without?: string | boolean;
  /** What to use in its place. */
  readonly deprecated?: string;
  /** Holds `NAME=value` pairs whose values are kept out of the log. */
  readonly secret?: true;
}

interface Checked<Value> {
  /** What is wrong with a value, or `undefined`. Looks at the value only, never at the host. */
  readonly check?: (value: Value) => string | undefined;
}

export interface StringSetting extends Row, Checked<string> {
  readonly type: "string";
  readonly default: string;
  /** The only values that are accepted. */
  readonly choices?: readonly string[];
  /** How the error about another value begins; default `invalid <key>`. */
  readonly refusal?: string;
}

export interface BooleanSetting extends Row {
  readonly type: "boolean";
  readonly default: boolean;
}

export interface IntegerSetting extends Row, Checked<number> {
  readonly type: "integer";
  readonly default: number;
}

/** Written as Go writes durations, `1m30s`; in a {@linkcode Config} it is milliseconds. */
export interface DurationSetting extends Row, Checked<number> {
  readonly type: "duration";
  readonly default: number;
}

export interface ListSetting extends Row, Checked<readonly string[]> {
  readonly type: "list";
  readonly default: readonly string[];
  /** Later files add to the list in place of replacing it. */
  readonly concatenate?: true;
}

export interface MapSetting extends Row, Checked<Readonly<Record<string, string>>> {
  readonly type: "map";
  readonly default: Readonly<Record<string, string>>;
}

/** A sub-table with known keys. */
export interface TableSetting {
  readonly type: "table";
  readonly of: Section;
  readonly doc: string;
}

/** Sub-tables by a name of the user's choice; a later file replaces an entry as a whole. */
export interface TablesSetting extends Row {
  readonly type: "tables";
  readonly of: Section;
  readonly default: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The type of a setting's value in a {@linkcode Config}. */
export type ValueOf<S extends Setting> = S extends { type: "string"; choices: readonly (infer C)[] }
  ? C
  : S extends { type: "string" } ? string
  : S extends { type: "boolean" } ? boolean
  : S extends { type: "integer" | "duration" } ? number
  : S extends { type: "list" } ? readonly string[]
  : S extends { type: "map" } ? Readonly<Record<string, string>>
  : S extends { type: "table"; of: infer T extends Section } ? Values<T>
  : S extends { type: "tables"; of: infer T extends Section } ? Readonly<Record<string, Values<T>>>
  : never;

/** The values of a section. */
export type Values<S extends Section> = { readonly [K in keyof S]: ValueOf<S[K]> };
