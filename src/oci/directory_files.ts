import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";

/** A file of a configuration directory, parsed. */
export interface DirectoryFile<T> {
  readonly name: string;
  /** Position of its directory in the list; a later directory counts more. */
  readonly directory: number;
  readonly path: string;
  readonly content: T;
}

/** More than any real file has; one that is longer is not read. */
const MAX_BYTES = 8 * 1024 * 1024;

interface Known<T> {
  /** Changes whenever the file does. */
  readonly stamp: string;
  /** `undefined` for one that makes no sense. */
  readonly content: T | undefined;
}

/**
 * The files of configuration directories. Each look at them sees what is there at that moment;
 * only what has changed since is read and parsed again, so a change needs no reload.
 */
export class DirectoryFiles<T> {
  readonly #what: string;
  readonly #matches: RegExp;
  readonly #parse: (text: string, path: string) => T | Promise<T>;
  readonly #known = new Map<string, Known<T>>();

  /**
   * @param what For the log: `OCI hook`.
   * @param matches Names of the files that count.
   * @param parse Throws for a file that makes no sense; that is logged once and the file left out.
   */
  constructor(
    what: string,
    matches: RegExp,
    parse: (text: string, path: string) => T | Promise<T>,
  ) {
    this.#what = what;
    this.#matches = matches;
    this.#parse = parse;
  }

  /** What makes sense in the directories, by directory and then by name. */
  async read(directories: readonly string[]): Promise<readonly DirectoryFile<T>[]> {
    const files: DirectoryFile<T>[] = [];
    for (const [directory, root] of directories.entries()) {
      for (const name of await this.#names(root)) {
        const path = join(root, name);
        const content = await this.#content(path);
        if (content !== undefined) files.push({ name, directory, path, content });
      }
    }
    return files;
  }

  async #names(directory: string): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name, isDirectory } of Deno.readDir(directory)) {
        if (!isDirectory && this.#matches.test(name)) names.push(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        log.debug(`${this.#what} directory ${directory}: ${errorMessage(error)}`);
      }
    }
    return names.sort();
  }

  async #content(path: string): Promise<T | undefined> {
    const known = this.#known.get(path);
    let stamp = known?.stamp ?? "";
    try {
      const { mtime, size, ino, isFile } = await Deno.stat(path);
      stamp = `${mtime?.getTime()}:${size}:${ino}`;
      if (stamp === known?.stamp) return known.content;
      if (!isFile || size > MAX_BYTES) throw new Error("not a file of a sensible size");
      const content = await this.#parse(await Deno.readTextFile(path), path);
      this.#known.set(path, { stamp, content });
      return content;
    } catch (error) {
      // Gone since the directory was read.
      if (error instanceof Deno.errors.NotFound) return undefined;
      log.warn(`${this.#what} ${path} is left out: ${errorMessage(error)}`);
      this.#known.set(path, { stamp, content: undefined });
      return undefined;
    }
  }
}
