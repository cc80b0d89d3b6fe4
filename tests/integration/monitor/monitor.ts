/**
 * Drives a monitor (ours or conmon) as a daemon does: pipes, files, FIFOs, sockets.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { basename, join } from "@std/path";
import assert from "node:assert/strict";
import { buildNative, MONITOR } from "../../../scripts/build/native.ts";
import { run } from "../../../src/linux/mod.ts";
import { buildPeer, Peer } from "./attach_client.ts";
import {
  type BundleOptions,
  deleteContainer,
  makeBundle,
  makeProcess,
  type Runtime,
  type Stage,
} from "./container.ts";

/** Another build of ours to test, one with sanitizers; conmon is then left out. */
const OTHER_BUILD = Deno.env.get("CRID_TEST_MONITOR");
/** Which program is under test. */
export type MonitorKind = "ours" | "conmon";
/** The programs whose common behaviour is tested. */
export const MONITORS: readonly MonitorKind[] = OTHER_BUILD === undefined
  ? ["ours", "conmon"]
  : ["ours"];

/** Whether figures are those of the program that is shipped. */
export const IS_RELEASE = OTHER_BUILD === undefined;

/** The program to start. */
export async function monitorProgram(kind: MonitorKind): Promise<string> {
  if (kind === "conmon") return "/usr/bin/conmon";
  return OTHER_BUILD ?? await buildNative(MONITOR);
}

/** What sanitizers read. */
const SANITIZER_VARIABLES = ["ASAN_OPTIONS", "UBSAN_OPTIONS"].flatMap((name) => {
  const value = Deno.env.get(name);
  return value === undefined ? [] : [[name, value] as const];
});

/** One line of the sync pipe. */
export interface Answer {
  readonly pid?: number;
  readonly data?: number;
  readonly exit_code?: number;
  readonly message?: string;
}

/** A monitor that was started, with its pipes. */
export class Monitor implements Disposable {
  readonly child: ChildProcess;
  /** Exit code of the first process. */
  readonly exited: Promise<number>;
  readonly #sync: Lines;
  readonly #attach: Lines;
  #stderr = "";

  constructor(
    program: string,
    args: readonly string[],
    options: { cwd: string; env?: Readonly<Record<string, string>> },
  ) {
    this.child = spawn(program, [...args], {
      cwd: options.cwd,
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        ...Object.fromEntries(SANITIZER_VARIABLES),
        ...{ _OCI_SYNCPIPE: "3", _OCI_STARTPIPE: "4", _OCI_ATTACHPIPE: "5" },
        ...options.env,
      },
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe"],
    });
    this.exited = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("exit", (code) => resolve(code ?? 255));
    });
    this.child.stderr!.on("data", (data) => this.#stderr += data);
    this.#pipe(4).on("error", () => {});
    this.#sync = new Lines(this.#pipe(3));
    this.#attach = new Lines(this.#pipe(5));
  }

  #pipe(fd: number): Duplex {
    return (this.child.stdio as readonly unknown[])[fd] as Duplex;
  }

  /** What the first process said. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Lets the monitor go on. */
  start(): void {
    this.#pipe(4).write(new Uint8Array(1));
  }

  /** Ends the start pipe without a byte. */
  close(): void {
    this.#pipe(4).end();
  }

  /** The next answer, `undefined` at the end of the pipe. */
  async answer(): Promise<Answer | undefined> {
    const line = await this.#sync.next();
    return line === undefined ? undefined : JSON.parse(line) as Answer;
  }

  /** The next word on the attach pipe. */
  async attachAnswer(): Promise<Answer | undefined> {
    const line = await this.#attach.next();
    return line === undefined ? undefined : JSON.parse(line) as Answer;
  }

  /** Resolves when the monitor itself has ended, in the background or not. */
  async gone(): Promise<void> {
    while (await this.answer() !== undefined) continue;
  }

  [Symbol.dispose](): void {
    for (const stream of this.child.stdio) stream?.destroy();
  }
}

/** The lines of a stream, read whether or not anybody waits for them. */
class Lines {
  readonly #lines: string[] = [];
  #rest = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(stream: Duplex) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      const parts = (this.#rest + text).split("\n");
      this.#rest = parts.pop()!;
      this.#lines.push(...parts);
      this.#notify();
    });
    const end = () => {
      this.#ended = true;
      this.#notify();
    };
    stream.once("end", end).once("close", end).once("error", end);
  }

  /** The next line, `undefined` at the end. */
  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#ended) await this.#changed.promise;
    return this.#lines.shift();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Waits for what nothing announces. */
export async function until(condition: () => boolean | Promise<boolean>, what: string) {
  for (const end = Date.now() + 10_000; !await condition();) {
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How a container of a test is made. */
export interface ContainerOptions extends BundleOptions {
  readonly stage: Stage;
  readonly monitor: MonitorKind;
  readonly runtime: Runtime;
  /** Besides those that every container gets. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default `k8s-file:<bundle>/log`. */
  readonly log?: string;
}

/** A container under a monitor, created and not started. */
export class Container implements AsyncDisposable {
  readonly id: string;
  readonly bundle: string;
  readonly stage: Stage;
  readonly kind: MonitorKind;
  readonly runtime: string;
  readonly program: string;
  readonly #options: ContainerOptions;
  #monitor: Monitor | undefined;
  #pid = 0;

  constructor(options: ContainerOptions, bundle: string, program: string) {
    this.#options = options;
    this.bundle = bundle;
    this.id = basename(bundle);
    this.stage = options.stage;
    this.kind = options.monitor;
    this.runtime = options.stage.runtime(options.runtime);
    this.program = program;
  }

  /** The same container, its monitor started by another program. */
  through(program: string): Container {
    return new Container(this.#options, this.bundle, program);
  }

  get monitor(): Monitor {
    return this.#monitor!;
  }

  /** Of the container's process. */
  get pid(): number {
    return this.#pid;
  }

  /** Starts the monitor and lets it go on; the answer is the caller's. */
  launch(options: ContainerOptions): Monitor {
    this.#monitor = new Monitor(this.program, [
      ...["--cid", this.id, "--cuuid", this.id, "--name", "test", "--bundle", this.bundle],
      ...["--runtime", this.runtime, "--container-pidfile", join(this.bundle, "pid")],
      ...["--conmon-pidfile", join(this.bundle, "monitor-pid")],
      ...["--exit-dir", this.stage.exits, "--persist-dir", this.bundle],
      ...["--socket-dir-path", this.stage.sockets],
      ...["--log-path", options.log ?? `k8s-file:${this.bundle}/log`],
      ...(options.terminal ? ["--terminal"] : []),
      ...(options.args ?? []),
    ], { cwd: this.bundle, ...(options.env === undefined ? {} : { env: options.env }) });
    this.#monitor.start();
    return this.#monitor;
  }

  /** Waits until it is created. */
  async created(): Promise<this> {
    const answer = await this.monitor.answer();
    const pid = answer?.pid ?? answer?.data ?? -1;
    assert.ok(pid > 0, `create failed: ${answer?.message ?? "no answer"} ${this.monitor.stderr}`);
    this.#pid = pid;
    return this;
  }

  async start(): Promise<void> {
    const { code, stderr } = await run(this.runtime, ["start", this.id]);
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }

  /** Waits for the end of the monitor and returns what the exit file says. */
  async end(): Promise<string> {
    await this.monitor.gone();
    return await Deno.readTextFile(join(this.stage.exits, this.id));
  }

  async monitorPid(): Promise<number> {
    return Number(await Deno.readTextFile(join(this.bundle, "monitor-pid")));
  }

  path(name: string): string {
    return join(this.bundle, name);
  }

  /** The log as its lines. */
  async log(): Promise<LogLine[]> {
    return parseLog(await Deno.readTextFile(this.path("log")));
  }

  /** Waits until the log's text has `text` in it. */
  async logged(text: string): Promise<void> {
    await this.contains(this.path("log"), text);
  }

  /** Waits until a file has `text` in it. */
  async contains(path: string, text: string): Promise<void> {
    const said = async () => (await Deno.readTextFile(path).catch(() => "")).includes(text);
    await until(said, `${path} has ${JSON.stringify(text)}`);
  }

  /** Waits for a file. */
  async exists(path: string): Promise<void> {
    await until(() => Deno.stat(path).then(() => true, () => false), `there is ${path}`);
  }

  /** Kills the container. */
  async kill(signal = "KILL"): Promise<void> {
    const { code, stderr } = await run(this.runtime, ["kill", this.id, signal]);
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }

  /** Sends input over the attach socket; waits for an answer in the output, or for the end of it. */
  async writeStdin(text: string, answer?: string): Promise<void> {
    await using client = new Peer(await buildPeer(this.stage.directory), ["relay", this.socket]);
    client.send(text);
    if (answer !== undefined) return await client.said(answer);
    client.finish();
    await client.closed();
  }

  /** The attach socket. */
  get socket(): string {
    return this.path("attach");
  }

  /** Writes to the `ctl` FIFO. */
  async control(text: string): Promise<void> {
    const file = await open(this.path("ctl"), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      const written = () => file.write(text).then(() => true, () => false); // or it is full
      await until(written, "the FIFO takes a line");
    } finally {
      await file.close();
    }
  }

  /** Runs a shell script in it under a monitor of its own. */
  async exec(script: string, options: {
    args?: readonly string[];
    terminal?: boolean;
  } = {}): Promise<ExecRun> {
    const terminal = options.terminal ?? false;
    return await this.#exec(
      await makeProcess(this.bundle, ["/bin/sh", "-c", script], { terminal }),
      [...(terminal ? ["--terminal"] : []), ...(options.args ?? [])],
    );
  }

  /** Runs a program in it. */
  async execProcess(command: readonly string[], args: readonly string[] = []): Promise<ExecRun> {
    return await this.#exec(await makeProcess(this.bundle, command), args);
  }

  #exec(process: string, args: readonly string[]): Promise<ExecRun> {
    const log = `${process}.log`;
    const monitor = new Monitor(this.program, [
      ...["--cid", this.id, "--name", "test", "--runtime", this.runtime, "--exec"],
      ...["--exec-process-spec", process, "--container-pidfile", `${process}.pid`],
      ...["--log-path", log, "--socket-dir-path", this.stage.sockets, ...args],
    ], { cwd: this.bundle });
    monitor.start();
    return Promise.resolve({
      monitor,
      log: async () => parseLog(await Deno.readTextFile(log)),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await deleteContainer(this.runtime, this.id);
    await this.#monitor?.gone();
    this.#monitor?.[Symbol.dispose]();
  }
}

/** A command that was started in a container. */
export interface ExecRun {
  readonly monitor: Monitor;
  readonly log: () => Promise<LogLine[]>;
}

/** Creates a container under a monitor. */
export async function createContainer(options: ContainerOptions): Promise<Container> {
  const container = await prepareContainer(options);
  container.launch(options);
  return await container.created();
}

/** Only makes its bundle; see {@linkcode Container.launch}. */
export async function prepareContainer(options: ContainerOptions): Promise<Container> {
  const bundle = await makeBundle(options.stage, options);
  return new Container(options, bundle, await monitorProgram(options.monitor));
}

/** A line of a log in CRI's format. */
export interface LogLine {
  readonly stamp: string;
  readonly stream: string;
  readonly tag: string;
  readonly content: string;
}

const LOG_LINE =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d) (stdout|stderr) ([FP]) ([^\n]*)$/;

/** @throws when a line has another form. */
export function parseLog(text: string): LogLine[] {
  if (text === "") return [];
  assert.ok(text.endsWith("\n"), "the log ends in the middle of a line");
  return text.slice(0, -1).split("\n").map((line) => {
    const match = LOG_LINE.exec(line);
    assert.ok(match, `not a log line: ${JSON.stringify(line.slice(0, 200))}`);
    return { stamp: match[1]!, stream: match[2]!, tag: match[3]!, content: match[4]! };
  });
}

/** What a stream said, put together from lines and pieces. */
export function logText(lines: readonly LogLine[], stream = "stdout"): string {
  return lines.filter((line) => line.stream === stream)
    .map(({ tag, content }) => tag === "F" ? `${content}\n` : content).join("");
}
