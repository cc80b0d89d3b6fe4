/**
 * Attach clients, good and bad, by the test program `peer`.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";

/** How long a client waits for output. */
const LIMIT_MS = 15_000;
const SOURCE = new URL("peer/peer.c", import.meta.url).pathname;

/** Compiles `peer` into `directory`, once. */
export async function buildPeer(directory: string): Promise<string> {
  const program = join(directory, "peer");
  if (await Deno.stat(program).then(() => true, () => false)) return program;
  const { success, stderr } = await new Deno.Command("gcc", {
    args: [
      "-std=c11",
      "-D_GNU_SOURCE",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-O1",
      SOURCE,
      "-o",
      program,
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return program;
}

/** A `peer` that runs. */
export class Peer implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #closed: Promise<void>;
  #stdout = "";
  #stderr = "";

  constructor(program: string, args: readonly string[]) {
    this.child = spawn(program, [...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdin!.on("error", () => {});
    this.child.stdout!.on("data", (data) => this.#stdout += data);
    this.child.stderr!.on("data", (data) => this.#stderr += data);
    this.#closed = new Promise((resolve) => this.child.once("close", () => resolve()));
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  send(text: string): void {
    this.child.stdin!.write(text);
  }

  /** Ends its input. */
  finish(): void {
    this.child.stdin!.end();
  }

  /** Waits until its standard output has `text` in it. */
  async said(text: string): Promise<void> {
    for (const end = Date.now() + LIMIT_MS; !this.#stdout.includes(text);) {
      const ended = this.child.exitCode !== null || this.child.signalCode !== null;
      if (ended) await this.#closed;
      if (this.#stdout.includes(text)) return;
      if (ended || Date.now() > end) {
        const tail = JSON.stringify(this.#stdout.slice(-200));
        throw new Error(`a client has not been told ${JSON.stringify(text)} but ${tail}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Waits for its end. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#closed;
  }
}

/** Runs a `peer` command to its end. */
export async function runPeer(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
