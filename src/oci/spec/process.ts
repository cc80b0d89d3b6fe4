import { resolve } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { mkdirInRoot } from "../../linux/mod.ts";
import { hostId } from "../../security/mod.ts";
import type { SpecInput } from "../types.ts";
import type { SpecDraft } from "./draft.ts";

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Command, environment and working directory. */
export function processStage({ input, defaults, spec }: SpecDraft): void {
  spec.process.args = commandLine(input);
  spec.process.env = environment(input, defaults.defaultEnv);
  spec.process.cwd = workingDirectory(input);
}

/**
 * What is run: a command replaces the image's entrypoint and arguments, arguments alone only the
 * image's arguments.
 *
 * @throws {CridError} `invalid_argument`: `no command specified`.
 */
export function commandLine(input: Pick<SpecInput, "command" | "args" | "image">): string[] {
  const { command, args, image } = input;
  const line = command.length > 0
    ? [...command, ...args]
    : [...image.entrypoint, ...(args.length > 0 ? args : image.cmd)];
  if (line.length === 0) throw new CridError("invalid_argument", "no command specified");
  if (line.some((word) => word.includes("\0"))) {
    throw new CridError("invalid_argument", "the command has a NUL character");
  }
  return line;
}

/** Later wins: crid's defaults, the configuration, the image, the host name, the client. */
export function environment(
  input: Pick<SpecInput, "env" | "image" | "hostname" | "tty">,
  defaultEnv: readonly string[],
): string[] {
  const variables = new Map<string, string>();
  const add = (entry: string) => {
    const equals = entry.indexOf("=");
    const key = equals < 0 ? entry : entry.slice(0, equals);
    if (key !== "") variables.set(key, equals < 0 ? "" : entry.slice(equals + 1));
  };
  add(PATH);
  if (input.tty) add("TERM=xterm");
  defaultEnv.forEach(add);
  input.image.env.forEach(add);
  add(`HOSTNAME=${input.hostname}`);
  for (const [key, value] of input.env) if (key !== "") variables.set(key, value);
  const entries = Array.from(variables, ([key, value]) => `${key}=${value}`);
  if (entries.some((entry) => entry.includes("\0"))) {
    throw new CridError("invalid_argument", "an environment variable has a NUL character");
  }
  if (/\n/.test(variables.get("HOME") ?? "")) {
    throw new CridError("invalid_argument", "invalid HOME environment; newline not allowed");
  }
  return entries;
}

/** The directory the process starts in; made in the root file system if it is missing. */
function workingDirectory(input: SpecInput): string {
  const cwd = resolve("/", input.workingDir || input.image.workingDir || "/");
  if (cwd !== "/") {
    const uid = hostId(input.idMaps?.uids ?? [], 0) ?? 0;
    const gid = hostId(input.idMaps?.gids ?? [], 0) ?? 0;
    using _ = mkdirInRoot(input.rootfs, cwd, { uid, gid });
  }
  return cwd;
}
