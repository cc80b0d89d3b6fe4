import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { exit, signalChild } from "../linux/mod.ts";
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
  /** The attachment ends with the client's input; the container goes on without it. */
  readonly leaveAfterInput: boolean;
}

/** The native helper's exit codes for a client that took nothing, and a monitor that is not there. */
const STALLED = 3;
const NOT_CONNECTED = 4;
/** Between two sizes: of a flood conmon loses some, the last as well as others. */
const RESIZE_MS = 20;
/** How long the answer to the last input may take when the attachment ends with that. */
const ANSWER_MS = 300;

/**
 * Connects with the streams of a container's own process, through its monitor's attach socket. What
 * the container wrote before is not repeated. A client that reads nothing for some seconds is let go,
 * so that the container need not wait for it.
 *
 * That the monitor does not answer shows when the streams end: `unavailable`.
 */
export function attach(request: AttachRequest): CommandStreams {
  const { handler, attachDir, id } = request;
  const child = spawn(handler.native, ["attach", join(attachDir, id, "attach")], {
    env: {},
    stdio: [
      request.stdin ? "pipe" : "ignore",
      request.stdout ? "pipe" : "ignore",
      request.stderr && !request.tty ? "pipe" : "ignore",
    ],
  });
  return new Attachment(request, child);
}

class Attachment implements CommandStreams {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #outputs: readonly OutputPipe[];
  readonly #bundle: string;
  #size: TerminalSize | undefined;
  #resizing: Promise<void> | undefined;

  constructor({ id, handler, bundle, leaveAfterInput }: AttachRequest, child: ChildProcess) {
    this.#child = child;
    this.#bundle = bundle;
    const pipes = [child.stdout, child.stderr].map((pipe) => pipe ? outputPipe(pipe) : undefined);
    this.#outputs = pipes.filter((pipe) => pipe !== undefined);
    this.stdin = child.stdin ?? undefined;
    [this.stdout, this.stderr] = pipes.map((pipe) => pipe?.output);
    this.stdin?.on("error", () => {});
    if (leaveAfterInput) this.stdin?.once("finish", () => this.#leave());
    this.ended = this.#end(id, exit(child, handler.native));
    this.ended.catch(() => {});
  }

  async #end(id: string, ended: Promise<{ readonly code: number }>): Promise<number> {
    const { code } = await ended;
    this.stdin?.destroy();
    await Promise.all(this.#outputs.map((pipe) => pipe.atEnd()));
    if (code === STALLED) {
      throw new CridError(
        "resource_exhausted",
        `attach to container ${id}: the client reads nothing; it would stop the container`,
      );
    }
    if (code !== NOT_CONNECTED) return 0;
    throw new CridError("unavailable", `attach to container ${id}: its monitor does not answer`);
  }

  async #leave(): Promise<void> {
    await Promise.all(this.#outputs.map((pipe) => pipe.atEnd(ANSWER_MS)));
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
      await pause(RESIZE_MS);
    }
    this.#resizing = undefined;
  }

  hangUp(): void {
    this.stdin?.destroy();
    for (const pipe of this.#outputs) pipe.destroy();
    this.kill();
  }

  kill(): void {
    signalChild(this.#child, "SIGTERM");
  }
}
