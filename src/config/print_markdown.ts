import { describe } from "./print_file.ts";
import { printValue } from "./print_toml.ts";
import type { Section, Setting, TableSetting } from "./setting.ts";
import { defaultsOf, TABLE, tomlPath } from "./table.ts";

const HEAD = `# Configuration

This file is generated from the table in \`src/config/table/\` by \`deno task docs\`; do not edit it.

crid reads the configuration of CRI-O: the same files, keys, flags and environment variables, with
the same meaning. What differs is said below.

## Where values come from

Later ones win:

1. the defaults; \`root\`, \`runroot\`, \`imagestore\`, \`storage_driver\` and \`storage_option\` come from
   containers-storage.conf(5),
2. the file \`/etc/crio/crio.conf\` (\`--config\`),
3. every file below \`/etc/crio/crio.conf.d\` (\`--config-dir\`), whatever its name, in lexical order,
4. environment variables,
5. flags.

A file sets the keys that it mentions. Two kinds of keys are merged in another way: an entry of
\`[crio.runtime.runtimes.<name>]\` or \`[crio.runtime.workloads.<name>]\` replaces the earlier entry of
that name as a whole, and \`storage_option\` adds to the earlier list. Keys that crid does not know
are reported and ignored. A value of the wrong type is an error that names file, line and key, and
crid does not start.

An empty environment variable sets texts and lists to empty and a bool to false; for numbers and
durations it counts as not set. Lists are written with commas in flags and variables, or the flag is
given several times. Durations are written as in \`1h30m\`, \`5s\` or \`200ms\`.

\`crid config\` prints what results from all of them, \`crid config --default\` the defaults.

"Reload" means that the key belongs to those that SIGHUP applies; all others take a restart. Keys
marked **not built** are accepted and checked, have no effect in this release, and are named in the
log at start when they are set. Those marked **no effect** are accepted, and crid has no use for them.

## Where crid differs from CRI-O

- Unknown keys are reported in the log. CRI-O ignores them silently.
- \`cgroup_manager = "systemd"\`, the default, is refused on a host that does not run systemd.
- The watchdog of systemd hears from \`crid\` as long as its socket answers; a network that is not ready
  does not end the daemon.
- \`storage_driver\`: \`overlay\` and \`vfs\`. \`btrfs\` and \`zfs\` are refused; overlay works on these file
  systems, too.
- \`pinns_path = ""\` means crid's own pinns, not one in \`$PATH\`.
- \`pause_image\` is never pulled; crid has its own pause program.
- \`crid config\` prints every key of a handler, and \`bind_mount_prefix\`, \`cni_default_network\` and
  \`namespaced_auth_dir\` as they are, so that its output can be loaded again without loss.
- Numbers beyond 2^53 are out of range.
- Files among the drop-ins that are no regular files (sockets, FIFOs, links to directories) are
  skipped with a warning.
`;

/** The documentation of the configuration, docs/configuration.md. */
export function printMarkdown(): string {
  const { options, ...sections } = TABLE;
  const tables = Object.entries(sections).flatMap(([name, section]) => chapters([name], section));
  return [HEAD, ...tables, "## Options outside the file\n", rows(options)].join("\n");
}

/** A chapter for a section and one for each table below it. */
function chapters(path: readonly string[], section: Section): string[] {
  const below = Object.entries(section).flatMap(([key, setting]) => {
    if (setting.type === "table") return chapters([...path, key], setting.of);
    return setting.type === "tables" ? chapters([...path, key, "<name>"], setting.of) : [];
  });
  return [`## \`[${tomlPath(path)}]\`\n`, rows(section), ...below];
}

function rows(section: Section): string {
  const defaults = defaultsOf(section) as Record<string, unknown>;
  return Object.entries(section)
    .filter((row): row is [string, Exclude<Setting, TableSetting>] => row[1].type !== "table")
    .map(([key, setting]) => row(key, setting, defaults[key]))
    .join("\n");
}

function row(key: string, setting: Exclude<Setting, TableSetting>, value: unknown): string {
  const type = setting.type === "tables" ? "tables" : setting.type;
  const usual = setting.type === "tables"
    ? Object.keys(setting.default).join(", ") || "none"
    : `\`${printValue(setting, value)}\``;
  const facts = [`${type}, default ${usual}`];
  const flags = [setting.flag, ...setting.aliases ?? []].filter((name) => name !== undefined);
  if (flags.length > 0) facts.push(flags.map((name) => `\`${dashed(name)}\``).join(", "));
  if (setting.env !== undefined) facts.push(setting.env.map((name) => `\`${name}\``).join(", "));
  if (setting.used === false) facts.push("**no effect**");
  else if (setting.reload) facts.push("reload");
  if (setting.built === false) facts.push("**not built**");
  const { built: _, reload: __, ...text } = setting;
  return `### ${key}\n\n${facts.join(" · ")}\n\n${describe(text as typeof setting)}\n`;
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
