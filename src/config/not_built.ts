import { valueAt } from "./assignment.ts";
import { equal } from "./equal.ts";
import { type Config, defaultsOf, ENTRIES, isScalar, tomlPath } from "./table.ts";

/**
 * The keys that are set to something other than their default though what they control is not built
 * in this release, as the user writes them: `crio.runtime.hooks_dir`, `--profile`.
 */
export function notBuilt(config: Config, defaults: Config): string[] {
  return ENTRIES.flatMap(({ path, setting }) => {
    const value = valueAt(config, path);
    if (equal(value, valueAt(defaults, path))) return [];
    if (setting.built === false) {
      if (value === setting.without) return [];
      return [path[0] === "options" ? `--${setting.flag}` : tomlPath(path)];
    }
    if (isScalar(setting)) return [];
    const usual = defaultsOf(setting.of) as Record<string, unknown>;
    const builtIn = valueAt(defaults, path) as Record<string, unknown>;
    return Object.entries(value as Record<string, Record<string, unknown>>)
      .filter(([name, table]) => !equal(table, builtIn[name]))
      .flatMap(([name, table]) =>
        Object.entries(setting.of)
          .filter(([key, row]) =>
            row.type !== "table" && row.built === false && !equal(table[key], usual[key])
          )
          .map(([key]) => tomlPath([...path, name, key]))
      );
  });
}
