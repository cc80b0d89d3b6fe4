import type { FlagSpec } from "./arguments.ts";
import type { Command } from "./command.ts";
import { GLOBAL_FLAGS, HELP } from "./global_flags.ts";

const WIDTH = 96;
/** Column where explanations begin. */
const COLUMN = 28;

/** Global flags that most people need; `crid help flags` shows all. */
const COMMON = [
  "config",
  "config-dir",
  "listen",
  "root",
  "runroot",
  "cgroup-manager",
  "default-runtime",
  "log-level",
  "log",
  "help",
  "version",
];

/**
 * The help of a command.
 *
 * @param path Words that lead to it: `["crid", "status"]`.
 */
export function helpText(command: Command, path: readonly string[]): string {
  const top = path.length === 1;
  const sections = [
    `${path.join(" ")}: ${command.summary}`,
    `Usage:\n${usageLines(command, path)}`,
    ...(command.description === undefined ? [] : [fill(command.description)]),
    ...commandSection(command),
    top ? topFlags() : flagSection("Flags", [...command.flags, HELP]),
    ...(top ? [ENVIRONMENT] : []),
  ];
  return sections.join("\n\n") + "\n";
}

function usageLines(command: Command, path: readonly string[]): string {
  const words = path.join(" ");
  if (path.length === 1) return `  ${words} [flags]\n  ${words} [flags] <command> [arguments]`;
  const flags = command.flags.length > 0 ? " [flags]" : "";
  const below = command.commands === undefined ? "" : " <command>";
  const operands = command.operands === undefined ? "" : ` ${command.operands}`;
  return `  ${words}${flags}${below}${operands}`;
}

function commandSection(command: Command): string[] {
  const visible = command.commands?.filter((below) => !below.hidden) ?? [];
  if (visible.length === 0) return [];
  const lines = visible.map((below) =>
    entry([below.name, ...below.aliases].join(", "), below.summary)
  );
  return [`Commands:\n${lines.join("\n")}`];
}

function topFlags(): string {
  const common = COMMON.flatMap((name) => GLOBAL_FLAGS.filter((flag) => flag.name === name))
    .map(({ env: _, ...flag }) => ({ ...flag, doc: firstSentence(flag.doc) }));
  return `${flagSection("Common flags", common)}\n\n` +
    'All flags: "crid help flags". They stand before the command.';
}

const ENVIRONMENT = `Environment:
${entry("CONTAINER_<FLAG>", "Most flags have a variable, shown in the list of all flags.")}
${entry("KUBENSMNT", "A mount namespace that crid joins when it starts.")}

Files:
${entry("/etc/crio/crio.conf", 'Configuration; "crid config" prints and explains it.')}
${entry("/etc/crio/crio.conf.d/", "Drop-in files, later ones win.")}`;

/** Every global flag with its variables and default. */
export function allFlagsText(): string {
  const visible = GLOBAL_FLAGS.filter((flag) => !flag.hidden);
  return "Flags of crid; they stand before the command. A list is written with commas, or its flag " +
    `is\ngiven several times.\n\n${flagSection("Flags", visible)}\n`;
}

function flagSection(title: string, flags: readonly FlagSpec[]): string {
  const lines = flags.filter((flag) => !flag.hidden).map((flag) =>
    entry(dashes(flag), about(flag))
  );
  return `${title}:\n${lines.join("\n")}`;
}

/** `-c, --config value` */
export function dashes({ name, aliases, kind }: FlagSpec): string {
  const short = aliases.filter((alias) => alias.length === 1).map((alias) => `-${alias}`);
  const long = aliases.filter((alias) => alias.length > 1).map((alias) => `--${alias}`);
  return [...short, `--${name}`, ...long].join(", ") + (kind === "text" ? " value" : "");
}

/** What a flag means, its default and its variables. */
export function about({ doc, usual, env }: FlagSpec): string {
  const facts = [
    ...(usual === undefined ? [] : [`default: ${usual}`]),
    ...(env === undefined ? [] : [`$${env.join(", $")}`]),
  ];
  return facts.length === 0 ? doc : `${doc} [${facts.join("; ")}]`;
}

/** A name and what it means, side by side, or one below the other when the name is long. */
function entry(name: string, text: string): string {
  const indent = " ".repeat(COLUMN);
  const explanation = fill(text, WIDTH - COLUMN).split("\n").map((line) => indent + line);
  const head = `  ${name}`;
  if (head.length + 2 > COLUMN) return [head, ...explanation].join("\n");
  return [head.padEnd(COLUMN) + explanation[0]!.trimStart(), ...explanation.slice(1)].join("\n");
}

/** A text up to its first full stop, with it. */
export function firstSentence(text: string): string {
  const [sentence] = text.split(/(?<=[.;]) /);
  return sentence!.replace(/;$/, ".");
}

/** Breaks a text into lines. */
function fill(text: string, width = WIDTH): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
