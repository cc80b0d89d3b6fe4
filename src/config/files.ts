import { join } from "@std/path";
import { CridError, errorMessage } from "../failure/mod.ts";

/** A file's text, or why it could not be had. */
export interface FoundFile {
  readonly path: string;
  readonly text: string;
}

/** Files of a directory, and what in it was passed over. */
export interface FoundFiles {
  readonly files: readonly FoundFile[];
  /** Entries that are no files: sockets, FIFOs, links to directories. */
  readonly skipped: readonly string[];
}

/** Far more than any configuration, little enough to read at once. */
const MAX_SIZE = 8 * 1024 * 1024;

/**
 * Reads one configuration file.
 *
 * @returns `undefined` when there is no such file.
 * @throws {CridError} `invalid_argument` for what cannot be read as text.
 */
export async function readConfigFile(path: string): Promise<FoundFile | undefined> {
  // No regular file, but the usual way to say that there is nothing to read.
  if (path === "/dev/null") return { path, text: "" };
  const failed = (why: string, cause?: unknown) =>
    new CridError("invalid_argument", `unable to read configuration ${path}: ${why}`, { cause });
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) throw failed("not a file");
    if (info.size > MAX_SIZE) throw failed(`larger than ${MAX_SIZE} bytes`);
    const bytes = await Deno.readFile(path);
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof CridError) throw error;
    throw failed(error instanceof TypeError ? "not UTF-8 text" : errorMessage(error), error);
  }
}

/**
 * Reads every file below a directory, whatever its name, in lexical order with each sub-directory
 * in its place. A missing directory has no files.
 *
 * @throws {CridError} `invalid_argument` for a directory or file that cannot be read.
 */
export async function readConfigDirectory(directory: string): Promise<FoundFiles> {
  const files: FoundFile[] = [];
  const skipped: string[] = [];
  for (const entry of await sortedEntries(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) {
      const below = await readConfigDirectory(path);
      files.push(...below.files);
      skipped.push(...below.skipped);
    } else if (await isFile(path)) {
      const file = await readConfigFile(path);
      if (file !== undefined) files.push(file);
    } else skipped.push(path);
  }
  return { files, skipped };
}

async function sortedEntries(directory: string): Promise<Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new CridError(
      "invalid_argument",
      `unable to read configuration directory ${directory}: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

/** Follows links; a dangling one is no file. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
