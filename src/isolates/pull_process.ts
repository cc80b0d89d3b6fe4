import type { ChildProcess } from "node:child_process";
import { basename, dirname } from "@std/path";
import type { Config } from "../config/mod.ts";
import { CridError, errorMessage } from "../failure/mod.ts";
import type { BlobChannel } from "../image/mod.ts";
import { exit, killGroup, start } from "../linux/mod.ts";
import { log, logForWorker, type WorkerLog } from "../observe/mod.ts";
import { decodeFrames, encodeFrame } from "./frames.ts";
import type { PullRole } from "./messages.ts";
import { PortTunnel } from "./port_tunnel.ts";
import type { FromPullProcess, ToPullProcess } from "./pull_process_messages.ts";

/** Bytes that it may leave unread. */
const MOST_UNREAD = 4 * 1024 * 1024;
/** How long one that has been told to end may take. */
const END_MS = 5_000;
/** What it needs of the environment: proxies, and where its own files are. */
const VARIABLES =
  /^((http|https|no|all)_proxy|PATH|HOME|TMPDIR|DENO_DIR|DENO_NO_UPDATE_CHECK|CRID_RUNTIME_DIR)$/i;

export interface PullProcessOptions {
  readonly version: string;
  /** Puts the process where it belongs, before it is given anything to do. */
  readonly place: (pid: number) => Promise<void>;
  /** An isolate in it has died. */
  readonly onGone: (id: number) => void;
  /** The process has ended, with all that was in it. */
  readonly onEnd: (pid: number) => void;
}

/** A process with isolates of pulls in it, seen from `cri`. It ends with `cri`, however that ends. */
export class PullProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #options: PullProcessOptions;
  readonly #log: WorkerLog = logForWorker();
  readonly #tunnel: PortTunnel;
  readonly #ended: Promise<void>;
  #ending = false;

  private constructor(child: ChildProcess, options: PullProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.#tunnel = new PortTunnel((frame) => this.#tell(frame));
    // It may end before it is told anything.
    child.stdin!.on("error", () => {});
    this.#ended = this.#run();
  }

  /** @throws {CridError} When it cannot be started, or not be put where it belongs. */
  static async start(options: PullProcessOptions): Promise<PullProcess> {
    const [command, ...args] = selfCommand();
    const child = start(command!, [...args, "pull-process"], {
      env: environment(),
      stdio: ["pipe", "pipe", "inherit"],
    });
    const process = new PullProcess(child, options);
    try {
      if (child.pid === undefined) await exit(child, command!);
      await options.place(child.pid!);
      return process;
    } catch (error) {
      killGroup(child);
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts an isolate; the port leads to it. */
  startIsolate(id: number, role: PullRole, config: Config): MessagePort {
    const { level, format, filter, port: file } = this.#log;
    const { port1, port2 } = new MessageChannel();
    const port = this.#tunnel.bridge(port1);
    const { version } = this.#options;
    const to = file === undefined ? "stderr" : "cri";
    const settings = { level, format, filter, to } as const;
    this.#tell({ kind: "start", id, role, port, config, version, log: settings });
    return port2;
  }

  releaseIsolate(id: number): void {
    this.#tell({ kind: "release", id });
  }

  /** Nobody uses this channel between two of its isolates any more. */
  forgetChannel(channel: number): void {
    this.#tell({ kind: "forget", channel });
  }

  /** Ends it, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    this.#child.stdin!.end();
    const timer = setTimeout(() => killGroup(this.#child), END_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const ended = exit(this.#child, "crid pull-process").then(
      ({ code, signal }) => `it ended with ${signal ?? code}`,
      errorMessage,
    );
    try {
      for await (const message of decodeFrames(this.#child.stdout!)) {
        await this.#receive(message as FromPullProcess);
      }
    } catch (error) {
      log.error(`read what the process of pulls says: ${errorMessage(error)}`);
      killGroup(this.#child);
    }
    const why = await ended;
    if (!this.#ending) log.error(`the process of pulls has died: ${why}`);
    this.#tunnel[Symbol.dispose]();
    if (this.#child.pid !== undefined) this.#options.onEnd(this.#child.pid);
  }

  async #receive(message: FromPullProcess): Promise<void> {
    switch (message.kind) {
      case "gone":
        return this.#options.onGone(message.id);
      case "log":
        return this.#log.port?.postMessage(message.line);
      default:
        return await this.#tunnel.receive(message);
    }
  }

  /** What it is told is short: one that leaves much of it unread has stopped working. */
  #tell(message: ToPullProcess): void {
    const stdin = this.#child.stdin!;
    if (stdin.destroyed) return;
    stdin.write(encodeFrame(message));
    if (stdin.writableLength < MOST_UNREAD) return;
    log.error("the process of pulls does not read what it is told; ending it");
    stdin.destroy();
    killGroup(this.#child);
  }
}

let lastChannel = 0;

/** A channel between two isolates of the process that `process` gives, which makes it itself. */
export function channelIn(process: () => PullProcess | undefined): BlobChannel {
  const channel = ++lastChannel;
  return {
    producer: { channel, end: "producer" },
    consumer: { channel, end: "consumer" },
    [Symbol.dispose]: () => process()?.forgetChannel(channel),
  };
}

/** How this crid was started: the one file, or its source. */
function selfCommand(): readonly string[] {
  const self = Deno.env.get("CRID_SELF");
  // Deno starts the path of its own executable as if that were node; this is another name for it.
  if (self !== undefined && self !== "") return [`${dirname(self)}/./${basename(self)}`];
  if (!import.meta.url.endsWith(".ts")) {
    throw new CridError(
      "failed_precondition",
      "start a process for pulls: crid does not know its own path; start it by that",
    );
  }
  const permissions = ["read", "write", "net", "ffi", "env"].map((name) => `--allow-${name}`);
  const entry = new URL("../../mod.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-prompt", ...permissions, entry];
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => VARIABLES.test(name)),
  );
}
