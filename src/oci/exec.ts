import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "@std/path";
import { CridError, Timer } from "../failure/mod.ts";
import { exit, killGroup } from "../linux/mod.ts";
import { lastMessage, runtimeCommand } from "./command.ts";
import { ExecCgroup } from "./exec_cgroup.ts";
import { capture, type Captured } from "./exec_output.ts";
import { execEnvironment, execFlags, execProcess } from "./exec_process.ts";
import { removeNow } from "./files.ts";
import type { ExecSyncRequest, ExecSyncResult } from "./types.ts";

/** What is kept of each stream; the rest is read and dropped, as CRI-O does. */
const MAX_OUTPUT = 16 * 1024 * 1024;
/** How long output is read that a child of the command still holds open after its end. */
const DRAIN_MS = 100;
/** After a kill the starter ends within milliseconds; a runtime that is stuck is left to itself. */
const KILL_LIMIT_MS = 2000;

/**
 * Runs a command in a container to its end, directly on the OCI runtime. The runtime detaches, the
 * native starter is left with the command's process and ends as it does; output flows through
 * pipes. As with CRI-O, a container with a terminal has its commands on terminals, too, whose output
 * is all in `stdout`. When the time is up, everything that the command started is killed.
 *
 * @throws {CridError} `unknown` with the runtime's words when the command could not be started; the
 * signal's reason when the caller gave up.
 */
export async function execSync(request: ExecSyncRequest): Promise<ExecSyncResult> {
  request.signal?.throwIfAborted();
  const base = join(request.bundle, `exec-${crypto.randomUUID()}`);
  const files = { spec: `${base}.json`, pid: `${base}.pid` };
  const cgroup = ExecCgroup.create(request);
  const { terminal } = request.spec.process;
  try {
    // Synchronous: it is memory, /run, and each wait in the queue of a busy isolate costs more.
    writeFileSync(files.spec, execProcess(request, { terminal }), { mode: 0o600 });
    const child = start(request, files, cgroup);
    return await finish(request, child, files.pid, cgroup);
  } finally {
    removeNow(files.spec, files.pid);
    cgroup.remove();
  }
}

function start(
  request: ExecSyncRequest,
  files: { readonly spec: string; readonly pid: string },
  cgroup: ExecCgroup,
): ChildProcess {
  const { handler, bundle, id, spec } = request;
  const { terminal } = spec.process;
  const command = runtimeCommand({ ...handler, hideUnified: false }, [
    "exec",
    "--detach",
    ...["--pid-file", files.pid],
    ...["--process", files.spec],
    ...cgroup.runtimeArguments,
    ...(terminal ? ["--console-socket", "{console}"] : []),
    id,
  ]);
  // The starter with terminals puts nothing into cgroups: a kill finds the descendants alone then.
  const starter = terminal ? ["session", "-t", bundle] : ["start", ...cgroup.starterArguments];
  const flags = [...starter, ...execFlags(request), "-w", files.pid];
  return spawn(handler.native, [...flags, "--", ...command], {
    env: execEnvironment(request),
    // The starter kills the command when its stdin closes: crid is gone then.
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function finish(
  request: ExecSyncRequest,
  child: ChildProcess,
  pidFile: string,
  cgroup: ExecCgroup,
): Promise<ExecSyncResult> {
  const stdout = capture(child.stdout!, MAX_OUTPUT);
  const stderr = capture(child.stderr!, MAX_OUTPUT);
  child.stdin!.on("error", () => {});
  using limit = new ExecLimit(request);
  const ended = exit(child, request.handler.native);
  const code = await Promise.race([ended.then(({ code }) => code), limit.reached]);
  if (code === undefined) {
    await killAll(child, ended, cgroup, readPid(pidFile));
    if (limit.timedOut) return timedOut(stdout, stderr);
    stdout.stop();
    stderr.stop();
    throw request.signal!.reason;
  }
  await drain(stdout, stderr);
  if (readPid(pidFile) === undefined) throw notStarted(request, [stderr, stdout], code);
  return { exitCode: code, stdout: stdout.bytes(), stderr: stderr.bytes(), timedOut: false };
}

/** The command, its descendants wherever they went, then the starter and the runtime. */
async function killAll(
  child: ChildProcess,
  ended: Promise<unknown>,
  cgroup: ExecCgroup,
  pid: number | undefined,
): Promise<void> {
  await cgroup.kill(pid);
  child.stdin!.end();
  const given = Promise.withResolvers<void>();
  const timer = setTimeout(given.resolve, KILL_LIMIT_MS);
  await Promise.race([ended, given.promise]);
  clearTimeout(timer);
  killGroup(child);
  // What the runtime put there while it was being killed.
  await cgroup.kill(undefined);
}

function timedOut(stdout: Captured, stderr: Captured): ExecSyncResult {
  stdout.stop();
  stderr.stop();
  return { exitCode: -1, stdout: stdout.bytes(), stderr: stderr.bytes(), timedOut: true };
}

/** Reads what is left in the pipes, but does not wait for a background child that holds them. */
async function drain(stdout: Captured, stderr: Captured): Promise<void> {
  const timer = setTimeout(() => {
    stdout.stop();
    stderr.stop();
  }, DRAIN_MS);
  await Promise.all([stdout.ended, stderr.ended]);
  clearTimeout(timer);
}

/** The starter removes the file when the runtime fails. */
function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** crun's last words may be on the command's terminal already. */
function notStarted({ id }: ExecSyncRequest, said: readonly Captured[], code: number): CridError {
  const words = said.map((output) => lastMessage(new TextDecoder().decode(output.bytes())));
  const reason = words.find((text) => text !== "") ?? `the runtime ended with ${code}`;
  return new CridError("unknown", `exec in container ${id}: ${reason}`);
}

/** The end of the wait for a command: its time is up, or the caller has given up. */
class ExecLimit implements Disposable {
  readonly #done = Promise.withResolvers<undefined>();
  readonly #timer: Timer | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#done.resolve(undefined);
  timedOut = false;

  constructor({ timeout, signal }: ExecSyncRequest) {
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeout <= 0) return;
    this.#timer = new Timer(timeout * 1000, () => {
      this.timedOut = true;
      this.#done.resolve(undefined);
    });
  }

  get reached(): Promise<undefined> {
    return this.#done.promise;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
