import { UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { CRID } from "../commands.ts";
import { GLOBAL_FLAGS, HELP } from "../global_flags.ts";
import { firstSentence } from "../help.ts";
import { print } from "../output.ts";

/** `crid completion` */
export const COMPLETION: Command = {
  name: "completion",
  aliases: ["complete"],
  summary: "Print a completion script for bash, fish or zsh",
  description: "Load it with: source <(crid completion bash), crid completion fish | source, or " +
    "source <(crid completion zsh).",
  operands: "[bash|fish|zsh]",
  flags: [],
  run({ given }) {
    const [shell = "bash", extra] = given.rest;
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell as Shell] : undefined;
    if (script === undefined || extra !== undefined) {
      throw new UsageError(`only provide one argument of bash, fish or zsh, not ${given.rest}`);
    }
    print(script());
    return 0;
  },
};

type Shell = "bash" | "fish" | "zsh";

const SCRIPTS: Readonly<Record<Shell, () => string>> = { bash, fish, zsh };

/** A place in the command tree and the words that can follow there. */
interface Stage {
  /** Words that lead there, joined: `""`, `status`, `status info`. */
  readonly at: string;
  readonly words: readonly Word[];
}

interface Word {
  readonly text: string;
  readonly about: string;
}

function stages(): Stage[] {
  const from = (command: Command, path: readonly string[]): Stage[] => {
    const flags = path.length === 0 ? GLOBAL_FLAGS : [...command.flags, HELP];
    const visible = (command.commands ?? []).filter((next) => !next.hidden);
    const words = [
      ...visible.map(({ name, summary }) => ({ text: name, about: summary })),
      ...operandsOf(command),
      ...flags.filter((flag) => !flag.hidden)
        .map(({ name, doc }) => ({
          text: `--${name}`,
          about: firstSentence(doc).replace(/\.$/, ""),
        })),
    ];
    const below = visible.flatMap((next) => from(next, [...path, next.name]));
    return [{ at: path.join(" "), words }, ...below];
  };
  return from(CRID, []);
}

function operandsOf(command: Command): Word[] {
  return command.name === "completion"
    ? Object.keys(SCRIPTS).map((text) => ({ text, about: `Script for ${text}` }))
    : [];
}

/** Names of every command, for telling commands from the values of flags. */
function commandNames(): string[] {
  return stages().flatMap(({ at }) => at === "" ? [] : [at.split(" ").at(-1)!]);
}

function bash(): string {
  const cases = stages().map(({ at, words }) =>
    `    "${at}") words="${words.map((word) => word.text).join(" ")}" ;;`
  );
  return `# bash completion for crid
_crid() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
    ${commandNames().join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _crid crid
`;
}

function zsh(): string {
  const cases = stages().map(({ at, words }) => {
    const described = words.map(({ text, about }) =>
      `'${text}:${about.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`
    );
    return `  "${at}") described=(\n    ${described.join("\n    ")}\n  ) ;;`;
  });
  return `#compdef crid
_crid() {
  local -a described
  local path="" word
  for word in \${words[2,CURRENT-1]}; do
    case "$word" in
      ${commandNames().join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  _describe crid described || _files
}
compdef _crid crid
`;
}

function fish(): string {
  const lines = stages().flatMap(({ at, words }) => {
    const seen = at === ""
      ? []
      : at.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    const top = `not __fish_seen_subcommand_from ${commandNames().join(" ")}`;
    const condition = seen.length === 0 ? top : seen.join("; and ");
    return words.map(({ text, about }) => {
      const what = text.startsWith("--") ? `-l ${text.slice(2)}` : `-f -a ${text}`;
      return `complete -c crid -n '${condition}' ${what} -d '${about.replaceAll("'", "\\'")}'`;
    });
  });
  return `# fish completion for crid\n${lines.join("\n")}\n`;
}
