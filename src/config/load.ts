import { CridError } from "../failure/mod.ts";
import { assign, type Assignment, valueAt } from "./assignment.ts";
import { decodeFile } from "./decode.ts";
import { defaultConfig, type HostDefaults } from "./defaults.ts";
import { type FoundFile, readConfigDirectory, readConfigFile } from "./files.ts";
import { type Override, readVariables } from "./flags.ts";
import { info, type Message, warning } from "./message.ts";
import { resolve } from "./resolve.ts";
import type { Setting } from "./setting.ts";
import { type Config, ENTRIES } from "./table.ts";

/** Where a configuration comes from besides its files. */
export interface ConfigSources {
  /** Flags of the command line, read by {@linkcode parseFlag}. */
  readonly flags: readonly Override[];
  readonly env: Readonly<Record<string, string>>;
  readonly host?: HostDefaults;
}

/** A configuration and how it came about. */
export interface LoadedConfig {
  /** Merged and complete; {@linkcode validateConfig} says whether its values make sense. */
  readonly config: Config;
  /** What it would be without files, variables and flags. */
  readonly defaults: Config;
  /** What variables and flags have set, in the order of the flags' names. */
  readonly overrides: readonly Override[];
  readonly messages: readonly Message[];
}

/**
 * Merges the configuration: defaults, the file, the drop-in files, variables, flags; what comes
 * later wins. Unknown keys are reported and otherwise ignored.
 *
 * @throws {CridError} `invalid_argument` for a file that cannot be read or decoded.
 * @throws {Error} for a variable with a value of the wrong type.
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const overrides = mergeOverrides(readVariables(sources.env), sources.flags);
  const overriding = overrides.flatMap((override) => override.assignments);
  const defaults = defaultConfig(sources.host);
  const { options } = assign(defaults, overriding);
  const named = overrides.some((override) => override.flag.name === "config");
  const found = await readFiles(options.config, named, options.config_dir);

  let config = defaults;
  const messages = [...found.messages];
  for (const file of found.files) {
    const decoded = decodeFile(file.path, file.text);
    config = assign(config, joinLists(config, decoded.assignments));
    for (const key of decoded.unknown) {
      messages.push(warning("Ignoring unknown configuration key", { file: file.path, key }));
    }
  }
  const resolved = resolve(assign(config, overriding), defaults);
  messages.push(...resolved.messages);
  return {
    config: resolved.config,
    defaults: resolve(defaults, defaults).config,
    overrides,
    messages,
  };
}

/** Flags over variables. */
function mergeOverrides(variables: readonly Override[], flags: readonly Override[]): Override[] {
  const given = new Map([...variables, ...flags].map((override) => [override.flag.name, override]));
  return [...given.values()].sort((a, b) => a.flag.name < b.flag.name ? -1 : 1);
}

async function readFiles(
  path: string,
  named: boolean,
  directory: string,
): Promise<{ files: readonly FoundFile[]; messages: readonly Message[] }> {
  const files: FoundFile[] = [];
  const messages: Message[] = [];
  if (path !== "") {
    const file = await readConfigFile(path);
    if (file !== undefined) {
      files.push(file);
      messages.push(info(`Updating config from single file: ${path}`));
    } else if (named) {
      throw new CridError(
        "invalid_argument",
        `unable to read configuration ${path}: no such file; --config="" reads none`,
      );
    }
  }
  if (directory !== "") {
    messages.push(info(`Updating config from path: ${directory}`));
    const found = await readConfigDirectory(directory);
    for (const file of found.files) {
      files.push(file);
      messages.push(info(`Updating config from drop-in file: ${file.path}`));
    }
    for (const path of found.skipped) {
      messages.push(warning("Skipping what is no file among the drop-in files", { path }));
    }
  }
  return { files, messages };
}

const CONCATENATED: ReadonlySet<string> = new Set(
  ENTRIES.filter((entry) => isConcatenated(entry.setting)).map((entry) => entry.path.join(".")),
);

function isConcatenated(setting: Setting): boolean {
  return setting.type === "list" && setting.concatenate === true;
}

/** Puts what is there already before the lists that add up; of equal entries the last one stays. */
function joinLists(config: Config, assignments: readonly Assignment[]): readonly Assignment[] {
  return assignments.map(({ path, value }) => {
    if (!CONCATENATED.has(path.join("."))) return { path, value };
    const all = [...valueAt(config, path) as string[], ...value as string[]];
    return { path, value: all.filter((text, at) => all.lastIndexOf(text) === at) };
  });
}
