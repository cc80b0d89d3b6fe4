import { UsageError } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { CRID, findCommand } from "../commands.ts";
import { GLOBAL_FLAGS, HELP } from "../global_flags.ts";
import { about, allFlagsText, dashes, helpText } from "../help.ts";
import { print } from "../output.ts";
import { buildInfo } from "../build_info.ts";

/** `crid help` */
export const HELP_COMMAND: Command = {
  name: "help",
  aliases: ["h"],
  summary: "Show help about a command, or about all flags (crid help flags)",
  operands: "[flags | command ...]",
  flags: [],
  run({ given }) {
    if (given.rest[0] === "flags") print(allFlagsText());
    else {
      const path = walk(given.rest);
      print(helpText(path.at(-1)!, ["crid", ...path.slice(1).map(({ name }) => name)]));
    }
    return 0;
  },
};

/** The commands that `words` lead through, crid itself first. */
function walk(words: readonly string[]): Command[] {
  const path: Command[] = [CRID];
  for (const word of words) {
    const next = findCommand(path.at(-1)!, word);
    if (next === undefined) throw new UsageError(`no help topic for "${words.join(" ")}"`);
    path.push(next);
  }
  return path;
}

/** `crid man` */
export const MAN: Command = {
  name: "man",
  aliases: [],
  summary: "Print the manual page crid(8)",
  flags: [],
  run: (_call: Call) => {
    print(manualPage());
    return 0;
  },
};

/** `crid markdown` */
export const MARKDOWN: Command = {
  name: "markdown",
  aliases: ["md"],
  summary: "Print the manual as Markdown",
  flags: [],
  run: () => {
    print(markdown());
    return 0;
  },
};

function manualPage(): string {
  return [
    `.TH CRID 8 "" "crid ${buildInfo.version}" "System administration"`,
    ".SH NAME",
    roff(`crid - ${CRID.summary}`),
    ".SH SYNOPSIS",
    ".B crid\n[flags] [command] [arguments]",
    ".SH DESCRIPTION",
    roff(CRID.description!),
    ".SH COMMANDS",
    ...allCommands().flatMap(({ words, command }) => [
      `.SS ${roff(words.join(" "))}`,
      roff(command.summary + "."),
      ...(command.description === undefined ? [] : [".PP", roff(command.description)]),
      ...command.flags.flatMap((flag) => [`.TP\n.B ${roff(dashes(flag))}`, roff(about(flag))]),
    ]),
    ".SH FLAGS",
    ...visibleFlags().flatMap((flag) => [`.TP\n.B ${roff(dashes(flag))}`, roff(about(flag))]),
    ".SH FILES",
    ".TP\n.B /etc/crio/crio.conf\nConfiguration.",
    ".TP\n.B /etc/crio/crio.conf.d\nDrop-in files of the configuration.",
    ".SH SEE ALSO",
    ".BR crio.conf (5),\n.BR containers\\-storage.conf (5),\n.BR containers\\-registries.conf (5)",
  ].join("\n") + "\n";
}

/** Text in which troff sees nothing to obey. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/gm, "\\&$1");
}

function markdown(): string {
  const commands = allCommands().flatMap(({ words, command }) => [
    `## ${words.join(" ")}\n`,
    `${command.summary}.\n`,
    ...(command.description === undefined ? [] : [`${command.description}\n`]),
    ...(command.flags.length === 0 ? [] : [flagList(command.flags)]),
  ]);
  return [
    `# crid\n\n${CRID.summary}.\n\n${CRID.description}\n`,
    "```\ncrid [flags] [command] [arguments]\n```\n",
    ...commands,
    "## Flags\n",
    flagList(visibleFlags()),
  ].join("\n");
}

function flagList(flags: Command["flags"]): string {
  return flags.map((flag) => `- \`${dashes(flag)}\`: ${about(flag)}\n`).join("");
}

function visibleFlags(): Command["flags"] {
  return GLOBAL_FLAGS.filter((flag) => !flag.hidden && flag !== HELP);
}

/** Every command that help shows, with the words that lead to it. */
function allCommands(): { words: string[]; command: Command }[] {
  const below = (command: Command, words: string[]): { words: string[]; command: Command }[] =>
    (command.commands ?? []).filter((next) => !next.hidden).flatMap((next) => {
      const path = [...words, next.name];
      return [{ words: path, command: next }, ...below(next, path)];
    });
  return below(CRID, ["crid"]);
}
