import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { Duplex, Readable, Writable } from "node:stream";
import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { exit } from "../linux/mod.ts";
import { handlerEnvironment, lastMessage, runtimeCommand } from "./command.ts";
import type { CommandStreams, WantedStreams } from "./command_streams.ts";
import { capture } from "./exec_output.ts";
import { removeIfThere } from "./files.ts";
import { type OutputPipe, outputPipe } from "./output_pipe.ts";
import type { OciSpec, RuntimeHandler } from "./types.ts";

/** A command to run in a container for a client that is connected to its streams. */
export interface ExecStreamRequest extends WantedStreams {
  readonly id: string;
  readonly handler: RuntimeHandler;
  readonly bundle: string;
  /** The container's spec; its process is copied with other arguments. */
  readonly spec: OciSpec;
  readonly args: readonly string[];
}

/** What is kept of a runtime's complaints. */
const MAX_COMPLAINT = 64 * 1024;
/** Descriptor of the native session's control stream. */
const CONTROL = 3;

/**
 * Starts a command in a container and connects its streams. The runtime detaches; without a terminal
 * the command's streams are our pipes, with one a native helper carries bytes between the terminal and
 * our pipes. The same helper is the command's parent and ends as it does.
 *
 * @throws {CridError} `unknown` with the runtime's words when the command could not be started.
 */
export async function execStream(request: ExecStreamRequest): Promise<CommandStreams> {
  const base = join(request.bundle, `exec-${crypto.randomUUID()}`);
  const files = { spec: `${base}.json`, pid: `${base}.pid` };
  try {
    writeFileSync(files.spec, processSpec(request), { mode: 0o600 });
    const child = start(request, files);
    const ended = exit(child, request.handler.native);
    const outputs = {
      stdout: child.stdout === null ? undefined : outputPipe(child.stdout),
      stderr: outputPipe(child.stderr!),
    };
    const pid = await started(request, child, outputs, ended);
    return new Command(request, child, outputs, pid, ended);
  } finally {
    await removeIfThere(files.spec, files.pid);
  }
}

/** The container's own process with other arguments: user, capabilities, environment are the same. */
function processSpec({ spec, args, tty }: ExecStreamRequest): string {
  return JSON.stringify({ ...spec.process, args, terminal: tty });
}

function start(
  { handler, bundle, id, ...request }: ExecStreamRequest,
  files: { readonly spec: string; readonly pid: string },
): ChildProcess {
  const command = runtimeCommand({ ...handler, hideUnified: false }, [
    "exec",
    "--detach",
    ...["--pid-file", files.pid],
    ...["--process", files.spec],
    ...(request.tty ? ["--console-socket", "{console}"] : []),
    id,
  ]);
  const flags = [
    ...(handler.hideUnified ? ["-u"] : []),
    ...(request.tty ? ["-t", bundle] : []),
  ];
  const pipe = (wanted: boolean) => wanted ? "pipe" : "ignore";
  return spawn(handler.native, ["session", ...flags, "-w", files.pid, "--", ...command], {
    env: handlerEnvironment(handler),
    // stderr has the runtime's words when it fails.
    stdio: [pipe(request.stdin), pipe(request.stdout || request.tty), "pipe", "pipe"],
  });
}

/** Our ends of a command's outputs. */
interface Outputs {
  readonly stdout: OutputPipe | undefined;
  /** With a terminal only the runtime writes there. */
  readonly stderr: OutputPipe;
}

/** Waits until the command runs; its pid. Until then, stderr is the runtime's. */
async function started(
  { id }: ExecStreamRequest,
  child: ChildProcess,
  { stdout, stderr }: Outputs,
  ended: Promise<{ readonly code: number }>,
): Promise<number> {
  const control = child.stdio[CONTROL] as Duplex;
  control.on("error", () => {});
  const told = new Promise<number | undefined>((resolve) => {
    control.once("data", (line) => resolve(Number.parseInt(String(line), 10)));
    control.once("close", () => resolve(undefined));
  });
  const pid = await Promise.race([told, ended.then(() => told)]);
  if (pid !== undefined && pid > 0) return pid;
  child.stdin?.destroy();
  stdout?.destroy();
  const complaint = capture(stderr.output, MAX_COMPLAINT);
  const [{ code }] = await Promise.all([ended, complaint.ended]);
  const words = lastMessage(new TextDecoder().decode(complaint.bytes()));
  throw new CridError(
    "unknown",
    `exec in container ${id}: ${words || `the runtime ended with ${code}`}`,
  );
}

/** An output that nobody wants is read all the same: the command is not to wait. */
function wanted(pipe: OutputPipe | undefined, isWanted: boolean): Readable | undefined {
  if (!isWanted) pipe?.output.resume();
  return isWanted ? pipe?.output : undefined;
}

class Command implements CommandStreams {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #outputs: Outputs;
  readonly #pid: number;
  #over = false;

  constructor(
    request: WantedStreams,
    child: ChildProcess,
    outputs: Outputs,
    pid: number,
    ended: Promise<{ readonly code: number }>,
  ) {
    this.#child = child;
    this.#outputs = outputs;
    this.#pid = pid;
    this.stdin = child.stdin ?? undefined;
    this.stdout = wanted(outputs.stdout, request.stdout);
    this.stderr = wanted(outputs.stderr, request.stderr && !request.tty);
    // A command may end without reading its input.
    this.stdin?.on("error", () => {});
    this.ended = this.#end(ended);
    this.ended.catch(() => {});
  }

  async #end(ended: Promise<{ readonly code: number }>): Promise<number> {
    const { code } = await ended;
    this.#over = true;
    this.stdin?.destroy();
    await Promise.all([this.#outputs.stdout?.atEnd(), this.#outputs.stderr.atEnd()]);
    this.#child.stdio[CONTROL]?.destroy();
    return code;
  }

  resize({ width, height }: { readonly width: number; readonly height: number }): void {
    if (width < 1 || height < 1) return; // clients send 0x0 when they do not know
    const control = this.#child.stdio[CONTROL] as Duplex;
    // A flood of sizes behind a helper that is busy: only those that fit are of use.
    if (!control.destroyed && !control.writableNeedDrain) control.write(`${width} ${height}\n`);
  }

  hangUp(): void {
    this.stdin?.destroy();
    this.#outputs.stdout?.destroy();
    this.#outputs.stderr.destroy();
  }

  kill(): void {
    if (this.#over) return;
    try {
      // The helper is its parent and lives: the pid is nobody else's.
      Deno.kill(this.#pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}
