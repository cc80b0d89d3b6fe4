import { basename, dirname, join } from "@std/path";
import { randomBytes } from "node:crypto";
import { CridError, wrapError } from "../../failure/mod.ts";

/** A file that is at its place only when it is complete, or standard output. */
export class OutputFile implements AsyncDisposable {
  readonly #path: string;
  readonly #temporary: string | undefined;
  readonly #file: Deno.FsFile | undefined;
  #done = false;

  private constructor(path: string, temporary: string | undefined, file: Deno.FsFile | undefined) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  /** @param path `-` is standard output; what is no plain file (a pipe, a device) is written as it is. */
  static async create(path: string): Promise<OutputFile> {
    if (path === "-") return new OutputFile(path, undefined, undefined);
    try {
      const there = await Deno.stat(path).catch(() => undefined);
      if (there?.isDirectory) throw new CridError("failed_precondition", "it is a directory");
      if (there !== undefined && !there.isFile) {
        return new OutputFile(path, undefined, await Deno.open(path, { write: true }));
      }
      const name = `.${basename(path)}.${randomBytes(4).toString("hex")}`;
      const temporary = join(dirname(path), name);
      const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o644 });
      return new OutputFile(path, temporary, file);
    } catch (error) {
      throw wrapError(`write ${path}`, error, "failed_precondition");
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    const to = this.#file ?? Deno.stdout;
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
  }

  /** Writes it out to the disk and puts it at its place. */
  async finish(): Promise<void> {
    this.#done = true;
    if (this.#file === undefined) return;
    try {
      if (this.#temporary !== undefined) await this.#file.syncData();
    } finally {
      this.#file.close();
    }
    if (this.#temporary !== undefined) await Deno.rename(this.#temporary, this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    this.#file?.close();
    if (this.#temporary !== undefined) await Deno.remove(this.#temporary);
  }
}
