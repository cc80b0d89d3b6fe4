import { assign, valueAt } from "./assignment.ts";
import { equal } from "./equal.ts";
import { type Config, ENTRIES, type ValueEntry } from "./table.ts";
import { validateConfig } from "./validate.ts";

/** What a reload makes of a configuration. */
export interface Reloaded {
  readonly config: Config;
  /** A line for the log for each key that has changed, in CRI-O's words. */
  readonly changes: readonly string[];
}

/**
 * The running configuration with those keys of a fresh one that can change while crid runs.
 *
 * @throws {CridError} `invalid_argument` with all that is wrong with the result.
 */
export function reloadConfig(running: Config, fresh: Config): Reloaded {
  const changed = ENTRIES.filter(({ path, setting }) =>
    "reload" in setting && setting.reload && !equal(valueAt(running, path), valueAt(fresh, path))
  );
  const assignments = changed.map(({ path }) => ({ path, value: valueAt(fresh, path) }));
  const config = assign(running, assignments);
  validateConfig(config);
  return { config, changes: changed.map((entry) => changeText(entry, config)) };
}

function changeText({ path, key, setting }: ValueEntry, config: Config): string {
  if (setting.type === "tables") return "Updating runtime configuration";
  const value = valueAt(config, path);
  const text = Array.isArray(value) ? value.join(",") || "[]" : String(value);
  return `Set config ${key} to "${text}"`;
}
