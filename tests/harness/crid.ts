/**
 * crid under test: started from source, or from the built file that CRID_BINARY names, on directories,
 * a bridge and a subnet of its own.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEFAULT_PATH, exit, start } from "../../src/linux/mod.ts";
import { type CriClient, criClient } from "./cri_client.ts";
import { DIE_WITH_PARENT, type Isolation } from "./isolation.ts";
import { leftovers, removeNode } from "./leftovers.ts";
import { makeNode, type Node, type NodeOptions } from "./node.ts";

export interface CridOptions extends NodeOptions {
  /** Where to run; by default in the host's own namespaces. */
  readonly isolation?: Isolation;
  /** More environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: everything. What is measured logs as much as a node does: `info`. */
  readonly logLevel?: "debug" | "info";
  /** More arguments before the command. */
  readonly args?: readonly string[];
  /** Called with every line of the log. */
  readonly onLog?: (line: string) => void;
  /** Ends the wait for the first answer. */
  readonly signal?: AbortSignal;
}

/** Longest wait for the socket to answer, from source on a busy machine. */
const START_MS = 60_000;
/** How often a socket that is not there yet is looked for: nothing announces that a server listens. */
const CONNECT_INTERVAL_MS = 10;
/** Longest wait for a clean end after SIGTERM. */
const STOP_MS = 30_000;
/** Longest wait after a kill for the socket to be nobody's. */
const HAND_OVER_MS = 5_000;
const LOG_TAIL = 60;

/** Starts crid and waits until it answers. */
export async function startCrid(options: CridOptions = {}): Promise<Crid> {
  const crid = new Crid(await makeNode(options), options);
  try {
    await crid.start();
    return crid;
  } catch (error) {
    await crid[Symbol.asyncDispose]();
    throw error;
  }
}

/** The command line that starts crid, without arguments. */
export function cridCommand(): readonly string[] {
  const binary = Deno.env.get("CRID_BINARY");
  if (binary !== undefined && binary !== "") return [binary];
  const entry = fileURLToPath(new URL("../../mod.ts", import.meta.url));
  return [Deno.execPath(), "run", "--allow-all", "--no-prompt", entry];
}

/** One crid and its node. It can be stopped, killed and started again on the same node. */
export class Crid implements AsyncDisposable {
  readonly node: Node;
  readonly isolation: Isolation | undefined;
  readonly #options: CridOptions;
  readonly #log: string[] = [];
  #client: CriClient | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<{ code: number; signal: string | undefined }> | undefined;

  constructor(node: Node, options: CridOptions) {
    this.node = node;
    this.isolation = options.isolation;
    this.#options = options;
  }

  /** A client of the present process: it does not outlive a stop. */
  get client(): CriClient {
    return this.#client ??= criClient(this.socket);
  }

  get socket(): string {
    return this.node.socket;
  }

  /** Of the supervisor, while it runs. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("crid is not running");
    return this.#child.pid;
  }

  /** Everything crid has written to its standard output and error, over all its starts. */
  get log(): string {
    return this.#log.join("\n");
  }

  /** Starts the process and waits until the socket answers. */
  async start(): Promise<void> {
    const { node, isolation } = this;
    const [command, ...args] = [
      ...isolation?.through ?? [],
      ...DIE_WITH_PARENT,
      ...cridCommand(),
      ...["--config", node.config, "--config-dir", node.configDropIns],
      ...["--log-level", this.#options.logLevel ?? "debug"],
      ...this.#options.args ?? [],
    ];
    const child = start(command!, args, {
      env: {
        PATH: DEFAULT_PATH,
        CONTAINER_REGISTRIES_CONF: node.registriesConf,
        TMPDIR: node.directory,
        ...denoCache(),
        ...this.#options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#keepLog(child);
    const ended = exit(child, command!);
    this.#child = child;
    this.#ended = ended;
    ended.catch(() => {}).finally(() => {
      if (this.#child === child) this.#child = undefined;
    });
    await this.#answers(ended);
  }

  /** SIGTERM, and the exit code. Pods go on running. */
  async stop(): Promise<number> {
    const ended = this.#ended;
    const pid = this.#child?.pid;
    if (pid === undefined || ended === undefined) return 0;
    this.#hangUp();
    // Not by ChildProcess.kill(), after which every end looks like the signal's.
    process.kill(pid, "SIGTERM");
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), STOP_MS);
    const { code } = await ended.finally(() => clearTimeout(timer));
    return code;
  }

  /** kill -9, as a crash would be. Pods go on running. */
  async kill9(): Promise<void> {
    this.#hangUp();
    this.#child?.kill("SIGKILL");
    await this.#ended;
    // A program that it was just starting has its listening socket until it is executed.
    const limit = Date.now() + HAND_OVER_MS;
    while (Date.now() < limit && await listens(this.socket)) {
      await new Promise((resolve) => setTimeout(resolve, CONNECT_INTERVAL_MS));
    }
  }

  /** Stops and removes every pod over CRI. */
  async removePods(): Promise<void> {
    const { items } = await this.client.runtime.listPodSandbox();
    await Promise.all(items.map(async ({ id }) => {
      await this.client.runtime.stopPodSandbox({ podSandboxId: id });
      await this.client.runtime.removePodSandbox({ podSandboxId: id });
    }));
  }

  /** What still exists on the machine because of this node, in words. Empty when nothing leaked. */
  async leftovers(): Promise<readonly string[]> {
    const own = this.#child?.pid;
    return await leftovers(this.node, this.isolation, own === undefined ? [] : [own]);
  }

  /** Ends crid and takes away everything it made, by force where it must be. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#child !== undefined) await this.removePods().catch(() => {});
      await this.stop();
    } finally {
      this.#hangUp();
      await removeNode(this.node, this.isolation);
    }
  }

  #hangUp(): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  #keepLog(child: ChildProcess): void {
    for (const stream of [child.stdout!, child.stderr!]) {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        this.#log.push(...lines);
        if (this.#options.onLog !== undefined) lines.forEach(this.#options.onLog);
      });
      stream.on("end", () => rest !== "" && this.#log.push(rest));
    }
  }

  async #answers(ended: Promise<{ code: number }>): Promise<void> {
    let end: string | undefined;
    ended.then(({ code }) => end = `ended with ${code}`, (error) => end = String(error));
    const limit = Date.now() + START_MS;
    while (!await listens(this.socket)) {
      this.#options.signal?.throwIfAborted();
      if (Date.now() > limit) end = `does not listen on ${this.socket}`;
      if (end !== undefined) {
        throw new Error(`crid ${end}; its log ends:\n${this.#log.slice(-LOG_TAIL).join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, CONNECT_INTERVAL_MS));
    }
  }
}

/** Whether somebody accepts connections on a unix socket. */
function listens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** From source, Deno needs to find what it has downloaded and compiled before. */
function denoCache(): Record<string, string> {
  const variables = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"]
    .map((name) => [name, Deno.env.get(name)])
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(variables);
}
