import { accessSync, constants, statSync } from "node:fs";
import { CridError, wrapError } from "../failure/mod.ts";
import { DEFAULT_PATH, run } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { excerpt } from "./excerpt.ts";
import { type JsonObject, parseObject, stringOf } from "./json.ts";

/** What a runtime may ask of a plugin. */
export type Command = "ADD" | "DEL" | "CHECK" | "STATUS" | "GC";

/** One start of a plugin. */
export interface PluginCall {
  readonly command: Command;
  readonly type: string;
  readonly network: string;
  /** Written to its standard input. */
  readonly config: JsonObject;
  /** The `CNI_` variables besides command and path. */
  readonly variables: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Where plugins are and what they inherit. */
export interface PluginHost {
  readonly directories: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A result has a few hundred bytes; this leaves room for the largest route tables. */
const MAX_OUTPUT = 4 * 1024 * 1024;
/** The caller's signal ends a plugin; this is the net below it. */
const LONGEST_RUN_MS = 15 * 60_000;

/**
 * Runs a plugin once and returns what it printed.
 *
 * @throws {CridError} `plugin type="bridge" name="net" failed (add): …` with the plugin's own message
 * or what was wrong with it.
 */
export async function callPlugin(call: PluginCall, host: PluginHost): Promise<string> {
  try {
    return await execute(call, host);
  } catch (error) {
    const { type, network, command } = call;
    throw wrapError(
      `plugin type="${type}" name="${network}" failed (${command.toLowerCase()})`,
      error,
      "internal",
    );
  }
}

async function execute(call: PluginCall, host: PluginHost): Promise<string> {
  const path = findPlugin(call.type, host.directories);
  if (path === undefined) throw missingPlugin(call.type, host.directories);
  const { code, signal, stdout, stderr } = await run(path, [], {
    env: {
      PATH: DEFAULT_PATH,
      ...host.env,
      CNI_COMMAND: call.command,
      CNI_PATH: host.directories.join(":"),
      ...call.variables,
    },
    stdin: JSON.stringify(call.config),
    timeoutMs: LONGEST_RUN_MS,
    signal: call.signal,
    maxOutput: MAX_OUTPUT + 1,
    // The bridge plugin, ended in the middle of a DEL, does not find the rest of its work again.
    orphaned: call.command === "DEL" ? "finishes" : "ends",
  });
  const output = new TextDecoder().decode(stdout);
  const errors = new TextDecoder().decode(stderr).trim();
  if (code !== 0) {
    const how = signal === undefined ? `exit code ${code}` : `ended by ${signal}`;
    throw new CridError("internal", refusal(output, errors, how));
  }
  if (stdout.length > MAX_OUTPUT) {
    throw new CridError("internal", `printed more than ${MAX_OUTPUT} bytes`);
  }
  if (errors !== "") {
    log.debug(`CNI plugin ${call.type} wrote to stderr: ${excerpt(errors)}`);
  }
  return output;
}

/** CNI spec, "Error": an object with code, msg and details on standard output. */
function refusal(output: string, errors: string, how: string): string {
  const error = parseObject(output);
  const message = error === undefined ? "" : stringOf(error, "msg");
  if (error !== undefined && message !== "") {
    const details = stringOf(error, "details");
    const number = typeof error.code === "number" ? ` (CNI error ${error.code})` : "";
    return `${message}${details === "" ? "" : `; ${details}`}${number}`;
  }
  const said = errors || output.trim();
  return said === ""
    ? `${how} without a message`
    : `${how} without an error object: ${excerpt(said)}`;
}

/** Full path of a plugin; `undefined` when no directory has it as an executable file. */
export function findPlugin(type: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => `${directory.replace(/\/+$/, "")}/${type}`)
    .find(isExecutable);
}

/** What to say when {@linkcode findPlugin} has found nothing. */
export function missingPlugin(type: string, directories: readonly string[]): CridError {
  return new CridError(
    "unavailable",
    `failed to find plugin "${type}" in path [${directories.join(" ")}]`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
