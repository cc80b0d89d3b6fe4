/**
 * Starting other programs so that none of them can hang, leak or outlive its purpose.
 *
 * @module
 */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import type { Readable } from "node:stream";
import { Buffer } from "node:buffer";
import { constants } from "node:os";
import process from "node:process";
import { CridError, type ErrorCode, Timer } from "../failure/mod.ts";

/** How {@linkcode run} runs a program. */
export interface RunOptions {
  /** The whole environment; nothing is inherited. Default: `PATH` alone. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to standard input, which is then closed. Default: nothing. */
  readonly stdin?: string | Uint8Array;
  /** Default 120 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Bytes kept of each stream, the rest is read and dropped. Default 16 MiB. */
  readonly maxOutput?: number;
  /**
   * What becomes of it when crid is killed. By default it ends: what nobody waits for any more must
   * not act on what the next crid restores.
   */
  readonly orphaned?: "ends" | "finishes";
}

/** How a program ended and what it said. */
export interface RunResult {
  /** Exit code; `128 + n` when signal n ended it. */
  readonly code: number;
  /** `"SIGKILL"` and the like, or `undefined`. */
  readonly signal: string | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** The search path for programs, also where the host sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const DEFAULT_TIMEOUT_MS = 120_000;
const DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024;
/** A program that exits but leaves its pipes to a grandchild: how long its output is still read. */
const DRAIN_MS = 1_000;

/**
 * Runs a program to its end. It gets a process group of its own, and at the deadline or on abort
 * the whole group is killed. A non-zero code is a result, not an error.
 *
 * @throws {CridError} `failed_precondition` when there is no such program, `deadline_exceeded`, or the
 * signal's reason.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = starter === undefined
    ? start(command, args, startOptions(options))
    : spawn(starter, starterArguments(command, args, options), spawnOptions(startOptions(options)));
  // Without a listener a failed start would end the isolate; exit() reports it.
  child.on("error", () => {});
  const limit = options.maxOutput ?? DEFAULT_MAX_OUTPUT;
  const stdout = collect(child.stdout!, limit);
  const stderr = collect(child.stderr!, limit);
  if (options.stdin !== undefined) {
    // A program may end without reading its input.
    child.stdin!.on("error", () => {});
    child.stdin!.end(options.stdin);
  }
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let stopped: unknown;
  const stop = (reason: unknown) => {
    stopped ??= reason;
    killGroup(child);
  };
  const onAbort = () => stop(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  using _limit = new Timer(timeoutMs, () => {
    const what = `${command} ${args[0] ?? ""}: no end after ${timeoutMs / 1000} s, killed`;
    stop(new CridError("deadline_exceeded", what));
  });
  try {
    const { code, signal } = await exit(child, command);
    const drain = setTimeout(() => {
      stdout.stop();
      stderr.stop();
    }, DRAIN_MS);
    const [out, err] = await Promise.all([stdout.bytes, stderr.bytes]);
    clearTimeout(drain);
    if (stopped !== undefined) throw stopped;
    if (starter !== undefined) throwIfNotStarted(command, code, err);
    return { code, signal, stdout: out, stderr: err };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Has {@linkcode run} start programs through `crid-native start` from now on. Node's way to give a
 * child its own process group is a fork of this process: its page tables are copied, 4 ms with
 * 100 MB in use. The helper is spawned without a copy, makes the group and becomes the program.
 *
 * @param native Path of `crid-native`.
 */
export function startThrough(native: string): void {
  starter = native;
}

let starter: string | undefined;

/** The helper's own failures, which {@linkcode exit} would see as errors without it. */
function throwIfNotStarted(command: string, code: number, stderr: Uint8Array): void {
  if (code !== 126 && code !== 127) return;
  const text = new TextDecoder().decode(stderr.subarray(0, 4096)).trim();
  if (!text.startsWith(`start: run ${command}: `)) return;
  const failure = text.slice("start: ".length);
  throw new CridError(code === 127 ? "failed_precondition" : "permission_denied", failure);
}

function starterArguments(
  command: string,
  args: readonly string[],
  { orphaned }: RunOptions,
): string[] {
  return ["start", ...orphaned === "finishes" ? [] : ["-k"], "--", command, ...args];
}

function startOptions(options: RunOptions): StartOptions {
  return {
    env: options.env,
    cwd: options.cwd,
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  };
}

/** What {@linkcode start} needs besides the command line. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** One entry per fd from 0 on; entries from 3 on become socket pairs. */
  readonly stdio: readonly ("ignore" | "pipe" | "inherit")[];
}

/** Starts a program in a process group of its own; the caller waits for it and kills it. */
export function start(
  command: string,
  args: readonly string[],
  options: StartOptions,
): ChildProcess {
  const child = spawn(command, args, { ...spawnOptions(options), detached: true });
  // Without a listener a failed start would end the isolate; exit() reports it.
  child.on("error", () => {});
  return child;
}

function spawnOptions(options: StartOptions): SpawnOptions {
  return {
    env: { ...(options.env ?? { PATH: DEFAULT_PATH }) },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [...options.stdio],
  };
}

/**
 * Waits for the end of a child.
 *
 * @throws {CridError} When it never started: `failed_precondition` where there is no such program (the
 * kubelet takes `not_found` for a container that is gone), `permission_denied`, or
 * `resource_exhausted` on a host without memory, processes or descriptors.
 */
export function exit(
  child: ChildProcess,
  command: string,
): Promise<{ code: number; signal: string | undefined }> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error & { code?: string }) => {
      const what = error.code === "EACCES" ? "not executable" : error.message;
      reject(new CridError(startFailure(error.code), `run ${command}: ${what}`, { cause: error }));
    };
    child.once("error", failed);
    const ended = (code: number | null, signal: string | null) => {
      resolve({
        code: code ?? 128 + signalNumber(signal),
        signal: signal ?? undefined,
      });
    };
    if (child.exitCode !== null || child.signalCode !== null) {
      ended(child.exitCode, child.signalCode);
    } else child.once("exit", ended);
  });
}

function startFailure(code: string | undefined): ErrorCode {
  switch (code) {
    case "EACCES":
      return "permission_denied";
    case "EAGAIN":
    case "ENOMEM":
    case "EMFILE":
    case "ENFILE":
      return "resource_exhausted";
    default:
      return "failed_precondition";
  }
}

/** Kills a child and everything in its process group; one that is gone already is no error. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  const ended = child.exitCode !== null || child.signalCode !== null;
  // The pid alone, too: a child that has only just started may not have made its group yet.
  for (const pid of ended ? [-child.pid] : [-child.pid, child.pid]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ESRCH: it is gone, which is what was asked for.
    }
  }
}

/**
 * Sends a signal to a child; one that has ended is no error. Not by ChildProcess.kill(), after which
 * every end looks like the signal's.
 */
export function signalChild(child: ChildProcess, name: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(child.pid, name);
  } catch {
    // ESRCH: it has only just ended.
  }
}

/** Reads a stream to its end, keeps the first `limit` bytes. */
function collect(stream: Readable, limit: number): { bytes: Promise<Uint8Array>; stop(): void } {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const done = () => resolve(new Uint8Array(Buffer.concat(chunks)));
  stream.on("data", (chunk: Uint8Array) => {
    const room = limit - size;
    if (room <= 0) return;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    chunks.push(kept);
    size += kept.length;
  });
  stream.once("end", done);
  stream.once("close", done);
  stream.once("error", done);
  return {
    bytes: promise,
    stop() {
      stream.destroy();
      done();
    },
  };
}

function signalNumber(name: string | null): number {
  if (name === null) return 0;
  return (constants.signals as Record<string, number>)[name] ?? 0;
}
