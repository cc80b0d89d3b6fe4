/**
 * Texts of a request that become paths, names of files and arguments. What the kernel could not take
 * as one is refused here, before anything is made.
 *
 * @module
 */
import { CridError } from "../../failure/mod.ts";

/** `PATH_MAX` and `NAME_MAX` of Linux, in bytes without the NUL at the end. */
const MAX_PATH = 4095;
const MAX_FILE_NAME = 255;
/** The longest name that Kubernetes gives to anything. */
const MAX_NAME = 253;
/** `HOST_NAME_MAX` of Linux. */
const MAX_HOSTNAME = 64;
/** How much of a text that is refused stands in the error. */
const SHOWN = 100;

/**
 * A path, or `""` where the field may be left out.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function readPath(path: string, what: string): string {
  if (path.includes("\0")) refuse(what, path, "has a NUL character");
  if (size(path) > MAX_PATH) refuse(what, path, `is longer than ${MAX_PATH} bytes`);
  if (path.split("/").some((name) => size(name) > MAX_FILE_NAME)) {
    refuse(what, path, `has a name of more than ${MAX_FILE_NAME} bytes`);
  }
  return path;
}

/** @throws {CridError} `invalid_argument` for a path that is not absolute either. */
export function readAbsolutePath(path: string, what: string): string {
  if (!path.startsWith("/")) refuse(what, path, "is not absolute");
  return readPath(path, what);
}

/**
 * What becomes part of file names, lines and arguments.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function readName(name: string, what: string): string {
  if (name === "") refuse(what, name, "is missing");
  if (name.length > MAX_NAME) refuse(what, name, `is longer than ${MAX_NAME} characters`);
  if (/[/\0\n]/.test(name)) refuse(what, name, "has a character that no name has");
  return name;
}

/**
 * The host name of a pod, or `""`.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function readHostname(name: string): string {
  const isGood = name.length <= MAX_HOSTNAME && !/[/\0\s]/.test(name);
  if (!isGood) refuse("hostname", name, `must have at most ${MAX_HOSTNAME} characters, no spaces`);
  return name;
}

/** @throws {CridError} `invalid_argument` for no command, and for what no program could be given. */
export function readCommand(command: readonly string[]): readonly string[] {
  if (command.length === 0) throw new CridError("invalid_argument", "the command is empty");
  if (command.some((word) => word.includes("\0"))) {
    throw new CridError("invalid_argument", "the command has a NUL character");
  }
  return command;
}

function refuse(what: string, text: string, why: string): never {
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN).toWellFormed()}…` : text;
  throw new CridError("invalid_argument", `${what} ${JSON.stringify(shown)} ${why}`);
}

function size(text: string): number {
  return new TextEncoder().encode(text).length;
}
