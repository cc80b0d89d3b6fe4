import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { exit, signalChild } from "../linux/mod.ts";
import { lastMessage, runtimeCommand } from "./command.ts";
import type { CommandStreams, TerminalSize, WantedStreams } from "./command_streams.ts";
import { execEnvironment, execFlags, type ExecProcess, execProcess } from "./exec_process.ts";
import { removeNow } from "./files.ts";
import { type OutputPipe, outputPipe } from "./output_pipe.ts";
import { StartGate } from "./start_gate.ts";
import { TerminalInput } from "./terminal_input.ts";

/** A command to run in a container for a client that is connected to its streams. */
export interface ExecStreamRequest extends WantedStreams, ExecProcess {
  readonly id: string;
  readonly bundle: string;
}

/**
 * Starts a command in a container and connects its streams. The runtime detaches; without a terminal
 * the command's streams are our pipes, with one a native helper carries bytes between the terminal and
 * our pipes. The same helper is the command's parent and ends as it does.
 *
 * That the command cannot be started shows when its streams end: `unknown` with the runtime's words.
 */
export function execStream(request: ExecStreamRequest): CommandStreams {
  const base = join(request.bundle, `exec-${crypto.randomUUID()}`);
  const files = { spec: `${base}.json`, pid: `${base}.pid` };
  writeFileSync(files.spec, execProcess(request, { terminal: request.tty }), { mode: 0o600 });
  return new Command(request, start(request, files), files);
}

interface Files {
  readonly spec: string;
  readonly pid: string;
}

/** No fourth descriptor: it would make starting a fork of this process with all its page tables. */
function start(request: ExecStreamRequest, files: Files): ChildProcess {
  const { handler, bundle, id, tty, stdin } = request;
  const command = runtimeCommand({ ...handler, hideUnified: false }, [
    "exec",
    "--detach",
    ...["--pid-file", files.pid],
    ...["--process", files.spec],
    ...(tty ? ["--console-socket", "{console}"] : []),
    id,
  ]);
  const flags = [
    ...execFlags(request),
    ...(tty ? ["-t", bundle] : []),
    // A pipe at its end would not do for no input: programs such as ripgrep search a pipe.
    ...(stdin || tty ? [] : ["-n"]),
  ];
  return spawn(handler.native, ["session", ...flags, "-w", files.pid, "--", ...command], {
    env: execEnvironment(request),
    // Outputs that nobody wants, too: the runtime gives its streams to the container's user, and what
    // is ignored would be the host's /dev/null. A terminal gets its sizes through stdin.
    stdio: [stdin || tty ? "pipe" : "ignore", "pipe", "pipe"],
  });
}

class Command implements CommandStreams {
  readonly stdin: Writable | undefined = undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #terminal: TerminalInput | undefined;
  readonly #gate: StartGate;
  readonly #outputs: readonly OutputPipe[];

  constructor(request: ExecStreamRequest, child: ChildProcess, files: Files) {
    const { id, handler, tty } = request;
    const ended = exit(child, handler.native);
    this.#child = child;
    this.#gate = new StartGate(files.pid, ended);
    const input = child.stdin;
    const stdout = outputPipe(child.stdout!);
    const stderr = outputPipe(child.stderr!, this.#gate);
    this.#outputs = [stdout, stderr];
    this.#terminal = tty ? new TerminalInput(input!) : undefined;
    // A command may end without reading its input.
    input?.on("error", () => {});
    if (request.stdin) this.stdin = this.#terminal ?? input!;
    this.stdout = wanted(stdout, request.stdout);
    this.stderr = wanted(stderr, request.stderr && !tty);
    this.ended = this.#end(id, ended).finally(() => removeNow(files.spec, files.pid));
    this.ended.catch(() => {});
  }

  async #end(id: string, ended: Promise<{ readonly code: number }>): Promise<number> {
    const { code } = await ended;
    this.#child.stdin?.destroy();
    await Promise.all(this.#outputs.map((pipe) => pipe.atEnd()));
    if (this.#gate.started) return code;
    const words = lastMessage(this.#gate.complaint) || `the runtime ended with ${code}`;
    throw new CridError("unknown", `exec in container ${id}: ${words}`);
  }

  resize(size: TerminalSize): void {
    this.#terminal?.resize(size);
  }

  hangUp(): void {
    this.#child.stdin?.destroy();
    for (const pipe of this.#outputs) pipe.destroy();
  }

  kill(): void {
    signalChild(this.#child, "SIGTERM");
  }
}

/** An output that nobody wants is read all the same: the command is not to wait. */
function wanted(pipe: OutputPipe, isWanted: boolean): Readable | undefined {
  if (!isWanted) pipe.output.resume();
  return isWanted ? pipe.output : undefined;
}
