import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable, Writable } from "node:stream";
import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { exit } from "../linux/mod.ts";
import type { CommandStreams, TerminalSize, WantedStreams } from "./command_streams.ts";
import { resizeTerminal } from "./monitor_control.ts";
import { type OutputPipe, outputPipe } from "./output_pipe.ts";
import type { RuntimeHandler } from "./types.ts";

/** A running container to connect with. */
export interface AttachRequest extends WantedStreams {
  readonly id: string;
  readonly handler: RuntimeHandler;
  readonly bundle: string;
  /** `container_attach_socket_dir`. */
  readonly attachDir: string;
  /** The attachment ends with the client's input; the container's input stays open. */
  readonly leaveAfterInput: boolean;
}

/** The native helper's exit code for a client that took nothing. */
const STALLED = 3;
/** Descriptor on which the helper says how connecting went. */
const REPORT = 3;
/** How long the answer to the last input may take when the attachment ends with that. */
const ANSWER_MS = 300;

/**
 * Connects with the streams of a container's own process, through its monitor's attach socket. What
 * the container wrote before is not repeated. A client that reads nothing for some seconds is let go,
 * so that the container need not wait for it.
 *
 * @throws {CridError} `unavailable` when the monitor does not answer.
 */
export async function attach(request: AttachRequest): Promise<CommandStreams> {
  const { handler, attachDir, id } = request;
  const child = spawn(handler.native, ["attach", join(attachDir, id, "attach")], {
    env: {},
    stdio: [
      request.stdin ? "pipe" : "ignore",
      request.stdout || request.tty ? "pipe" : "ignore",
      request.stderr && !request.tty ? "pipe" : "ignore",
      "pipe",
    ],
  });
  const outputs = [child.stdout, child.stderr].map((pipe) => pipe ? outputPipe(pipe) : undefined);
  const ended = exit(child, handler.native);
  const report = await said(child, ended);
  if (report !== "connected") {
    child.stdin?.destroy();
    throw new CridError("unavailable", `attach to container ${id}: ${report}`);
  }
  return new Attachment(request, child, outputs, ended);
}

/** The helper's one line. */
async function said(child: ChildProcess, ended: Promise<{ code: number }>): Promise<string> {
  const report = child.stdio[REPORT] as Duplex;
  report.on("error", () => {});
  const line = new Promise<string>((resolve) => {
    let text = "";
    report.on("data", (bytes) => text += String(bytes));
    report.once("close", () => resolve(text.trim()));
    report.once("end", () => resolve(text.trim()));
  });
  const text = await Promise.race([line, ended.then(() => line)]);
  report.destroy();
  return text;
}

class Attachment implements CommandStreams {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #outputs: readonly (OutputPipe | undefined)[];
  readonly #bundle: string;
  #size: TerminalSize | undefined;
  #resizing: Promise<void> | undefined;

  constructor(
    { id, bundle, leaveAfterInput }: AttachRequest,
    child: ChildProcess,
    outputs: readonly (OutputPipe | undefined)[],
    ended: Promise<{ readonly code: number }>,
  ) {
    this.#child = child;
    this.#outputs = outputs;
    this.#bundle = bundle;
    this.stdin = child.stdin ?? undefined;
    [this.stdout, this.stderr] = outputs.map((pipe) => pipe?.output);
    this.stdin?.on("error", () => {});
    if (leaveAfterInput) this.stdin?.once("finish", () => this.#leave());
    this.ended = ended.then(async ({ code }) => {
      this.stdin?.destroy();
      await Promise.all(outputs.map((pipe) => pipe?.atEnd()));
      if (code !== STALLED) return 0;
      throw new CridError(
        "resource_exhausted",
        `attach to container ${id}: the client reads nothing; it would stop the container`,
      );
    });
    this.ended.catch(() => {});
  }

  async #leave(): Promise<void> {
    await Promise.all(this.#outputs.map((pipe) => pipe?.atEnd(ANSWER_MS)));
    this.kill();
  }

  /** One at a time: of those that come meanwhile only the last is of use. */
  resize(size: TerminalSize): void {
    this.#size = size;
    this.#resizing ??= this.#applySizes();
  }

  async #applySizes(): Promise<void> {
    for (let size = this.#size; size !== undefined; size = this.#size) {
      this.#size = undefined;
      // A monitor that is gone ends the attachment by itself.
      await resizeTerminal(this.#bundle, size).catch(() => {});
    }
    this.#resizing = undefined;
  }

  hangUp(): void {
    this.stdin?.destroy();
    for (const pipe of this.#outputs) pipe?.destroy();
    this.kill();
  }

  kill(): void {
    this.#child.kill("SIGTERM");
  }
}
