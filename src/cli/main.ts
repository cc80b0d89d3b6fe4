import { FLAGS, loadConfig, type LoadedConfig, type Override, parseFlag } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { configureLog, log } from "../observe/mod.ts";
import { isOn, parseArguments, type ParsedArguments, UsageError } from "./arguments.ts";
import type { Call, Command } from "./command.ts";
import { CRID, findCommand } from "./commands.ts";
import { logMessages } from "./commands/serve.ts";
import { versionText } from "./commands/version.ts";
import { GLOBAL_FLAGS, HELP } from "./global_flags.ts";
import { helpText } from "./help.ts";
import { hostDefaults } from "./host_defaults.ts";
import { print } from "./output.ts";

/**
 * Runs crid.
 *
 * @param argv Arguments without the program's name.
 * @returns The exit code: 0, or 1 after a line of level `fatal` on standard error.
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await runGlobal(argv);
  } catch (error) {
    log.fatal(errorMessage(error));
    return 1;
  }
}

async function runGlobal(argv: readonly string[]): Promise<number> {
  const { given, overrides } = withUsage(CRID, ["crid"], () => {
    const given = parseArguments(argv, GLOBAL_FLAGS);
    return { given, overrides: globalOverrides(given) };
  });
  if (isOn(given, "version")) {
    print(versionText());
    return 0;
  }
  let loaded: Promise<LoadedConfig> | undefined;
  const load: Call["load"] = (news) => loaded ??= loadAndLog(overrides, news);
  return await runCommand(CRID, [], given, load);
}

/** Goes down to the command that is meant and runs it. */
async function runCommand(
  command: Command,
  words: readonly string[],
  given: ParsedArguments,
  load: Call["load"],
): Promise<number> {
  const path = ["crid", ...words];
  if (withUsage(command, path, () => isOn(given, "help"))) {
    print(helpText(command, path));
    return 0;
  }
  const [word, ...rest] = given.rest;
  const below = word === undefined ? undefined : findCommand(command, word);
  if (below === undefined) {
    return await withUsage(command, path, () => command.run({ command, words, given, load }));
  }
  const next = withUsage(below, [...path, below.name], () =>
    parseArguments(rest, [
      ...below.flags,
      ...words.length === 0 ? [] : command.flags,
      HELP,
    ]));
  // A flag before the word below counts for what is below too.
  const flags = words.length === 0 ? next.flags : new Map([...given.flags, ...next.flags]);
  return await runCommand(below, [...words, below.name], { flags, rest: next.rest }, load);
}

/** Shows how a command is called when it was called wrongly. */
function withUsage<Result>(
  command: Command,
  path: readonly string[],
  attempt: () => Result,
): Result {
  const explain = (error: unknown): never => {
    if (error instanceof UsageError) {
      print(`Incorrect Usage: ${error.message}\n\n${helpText(command, path)}`);
    }
    throw error;
  };
  try {
    const result = attempt();
    return result instanceof Promise ? result.catch(explain) as Result : result;
  } catch (error) {
    return explain(error);
  }
}

function globalOverrides(given: ParsedArguments): Override[] {
  return FLAGS.flatMap((flag) => {
    const texts = given.flags.get(flag.name);
    if (texts === undefined) return [];
    try {
      return [parseFlag(flag, texts)];
    } catch (error) {
      throw new UsageError(errorMessage(error));
    }
  });
}

async function loadAndLog(
  flags: readonly Override[],
  news: "told" | "kept back" = "told",
): Promise<LoadedConfig> {
  const env = Deno.env.toObject();
  const loaded = await loadConfig({ flags, env, host: await hostDefaults(env) });
  const { runtime, options } = loaded.config;
  configureLog({
    level: news === "kept back" && runtime.log_level === "info" ? "warning" : runtime.log_level,
    filter: runtime.log_filter,
    format: options.log_format,
    file: options.log,
  });
  logMessages(loaded.messages);
  return loaded;
}
