import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { errorMessage } from "../failure/mod.ts";
import { readKernelFile, stat } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";

const ELF = "\x7fELF";
/** Of what is kept; another release may ask for something else. */
const FORMAT = 2;

/** An answer, and which file gave it. */
interface Known {
  readonly identity: string;
  readonly answer: unknown;
}

/**
 * What programs have answered about themselves, kept on disk: as long as a program is the very same
 * file it need not be started again, and a restart of crid starts none. Scripts are always asked: what
 * they start may be another program tomorrow.
 */
export class KnownPrograms {
  readonly #file: string;
  readonly #known: Map<string, Known>;
  #changed = false;

  constructor(file: string) {
    this.#file = file;
    this.#known = read(file);
  }

  /** The answer of a program, from `ask` unless it is known. What throws is not kept. */
  async answer<T>(path: string, ask: () => Promise<T>): Promise<T> {
    const identity = identityOf(path);
    const known = this.#known.get(path);
    // It is what an earlier `ask` has returned: the file is root's, and whoever writes it is.
    if (identity !== undefined && known?.identity === identity) return known.answer as T;
    const answer = await ask();
    if (identity !== undefined) {
      this.#known.set(path, { identity, answer });
      this.#changed = true;
    }
    return answer;
  }

  /** Writes down what is new. It only saves time: without room it is asked again the next time. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    const draft = `${this.#file}.tmp`;
    const content = JSON.stringify(Object.fromEntries(this.#known));
    try {
      await writeFile(draft, JSON.stringify({ sum: sum(content), content }), { mode: 0o600 });
      await rename(draft, this.#file);
    } catch (error) {
      log.debug(`keep what programs have answered: ${errorMessage(error)}`);
    }
  }
}

function read(file: string): Map<string, Known> {
  try {
    const { sum: expected, content } = JSON.parse(readFileSync(file, "utf8"));
    if (sum(content) !== expected) return new Map();
    return new Map(Object.entries(JSON.parse(content) as Record<string, Known>));
  } catch {
    // Missing, torn or of another release: everything is asked anew.
    return new Map();
  }
}

function sum(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** `undefined` for what is no program of the processor. */
function identityOf(path: string): string | undefined {
  try {
    if (!isElf(path)) return undefined;
    const { devMajor, devMinor, inode, size, modified } = stat(path);
    // What a program can do depends on the kernel as well.
    const kernel = readKernelFile("/proc/sys/kernel/osrelease")?.trim();
    return [FORMAT, kernel, devMajor, devMinor, inode, size, modified].join(":");
  } catch {
    return undefined;
  }
}

function isElf(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const start = new Uint8Array(ELF.length);
    readSync(fd, start, 0, start.length, 0);
    return String.fromCharCode(...start) === ELF;
  } finally {
    closeSync(fd);
  }
}
