/**
 * Monitors over a runtime that makes no container, so that their own share can be measured.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import process from "node:process";
import { join } from "@std/path";
import { buildNative, MONITOR } from "../../../scripts/build/native.ts";

/** The programs that are compared. */
export const PEERS = ["crid", "conmon"] as const;
export type PeerName = typeof PEERS[number];

/** A directory in memory with the runtime and everything that the monitors make. */
export interface Bed extends AsyncDisposable {
  readonly directory: string;
  readonly exits: string;
  readonly sockets: string;
  readonly programs: Readonly<Record<PeerName | "runtime", string>>;
}

/** Compiles the runtime and finds the monitors. */
export async function makeBed(): Promise<Bed> {
  const directory = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "crid-monitor-bench-" });
  const runtime = join(directory, "runtime");
  const source = new URL("runtime.c", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command("musl-gcc", {
    args: ["-O2", "-static", "-D_GNU_SOURCE", source, "-o", runtime],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const crid = await buildNative(MONITOR);
  const [exits, sockets] = [join(directory, "exits"), join(directory, "sockets")];
  for (const path of [exits, sockets]) await Deno.mkdir(path);
  return {
    ...{ directory, exits, sockets },
    programs: { crid, conmon: "/usr/bin/conmon", runtime },
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

/** A monitor that runs, with a process in the place of a container. */
export interface Running {
  readonly id: string;
  readonly directory: string;
  /** Of the process. */
  readonly pid: number;
  readonly monitorPid: number;
  /** ms from the start until the monitor said the pid. */
  readonly startMs: number;
  /** ms until its first process was gone. */
  readonly detachedMs: number;
  /** Kills the process and waits for the monitor's end. */
  stop(): Promise<void>;
}

/** How a monitor is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the runtime that makes no container. */
  readonly runtime?: string;
  readonly args?: readonly string[];
  /** The container's id, and the bundle if it is not made here. */
  readonly id?: string;
  readonly bundle?: string;
}

/** Starts a monitor and waits until its container is created. */
export async function startMonitor(
  bed: Bed,
  peer: PeerName,
  options: StartOptions = {},
): Promise<Running> {
  const id = options.id ?? crypto.randomUUID();
  const directory = options.bundle ?? join(bed.directory, id);
  await Deno.mkdir(directory, { recursive: true });
  const started = performance.now();
  const child = spawn(bed.programs[peer], [
    ...["-c", id, "-u", id, "-n", "bench", "-b", directory],
    ...["-r", options.runtime ?? bed.programs.runtime, "-p", join(directory, "pid")],
    ...["-P", join(directory, "monitor-pid"), "-l", `k8s-file:${directory}/log`],
    ...["--exit-dir", bed.exits, "--persist-dir", directory],
    ...["--socket-dir-path", bed.sockets, ...(options.args ?? [])],
  ], {
    env: { PATH: "/usr/bin:/bin:/usr/sbin", _OCI_SYNCPIPE: "3", ...options.env },
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const sync = child.stdio[3] as Duplex;
  const detached = exitOf(child).then(() => performance.now() - started);
  const answer = await firstLine(sync);
  const startMs = performance.now() - started;
  const detachedMs = await detached;
  const pid = (JSON.parse(answer) as { pid: number }).pid;
  if (!(pid > 0)) throw new Error(`${peer}: ${answer}`);
  const ended = new Promise<void>((resolve) => sync.once("close", () => resolve()));
  sync.resume();
  return {
    id,
    directory,
    pid,
    monitorPid: Number(await Deno.readTextFile(join(directory, "monitor-pid"))),
    startMs,
    detachedMs,
    async stop() {
      process.kill(pid, "SIGKILL");
      await ended;
    },
  };
}

function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

function firstLine(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.on("data", (data) => {
      text += data;
      if (text.includes("\n")) resolve(text);
    });
    stream.once("end", () => reject(new Error(`no answer: ${text}`)));
  });
}
