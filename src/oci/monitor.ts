import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "@std/path";
import process from "node:process";
import { abortable, CridError, deadline, Unwind, wrapError } from "../failure/mod.ts";
import { exit, killGroup } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { handlerEnvironment, lastMessage } from "./command.ts";
import { removeIfThere, removeNow } from "./files.ts";
import { monitorArguments } from "./monitor_arguments.ts";
import { isAlive, processRef } from "./process_ref.ts";
import { deleteContainer } from "./runtime.ts";
import { readSync, type SyncAnswer } from "./sync_pipe.ts";
import type { CreatedContainer, CreateRequest, ProcessRef } from "./types.ts";

/** Bytes of the monitor's own messages that are kept. */
const MAX_STDERR = 16 * 1024;
/** How long the pipe of a killed monitor may stay open. */
const KILLED_MS = 5_000;

/**
 * Creates a container: starts its monitor, which runs `<runtime> create` on the bundle and then
 * stays for the container's life. The process exists when this returns and waits to be started.
 *
 * @throws {CridError} `container create failed: …` with the runtime's words, or `create container
 * timeout`; nothing is left behind then.
 */
export async function createContainer(request: CreateRequest): Promise<CreatedContainer> {
  const { id, bundle, handler, logPath } = request;
  request.signal?.throwIfAborted();
  await using unwind = new Unwind((step, error) => {
    log.warn(`cleaning up container ${id}: ${step}: ${error}`, { id });
  });
  removeNow(join(bundle, "pidfile"), join(bundle, "conmon-pidfile"));
  if (logPath !== "") unwind.add("log file", () => removeIfThere(logPath));
  unwind.add("runtime container", () => deleteContainer(handler, id));

  const monitor = start(request);
  unwind.add("monitor", () => kill(monitor, bundle));
  using limit = deadline("create container timeout:", handler.createTimeout * 1000, request.signal);
  try {
    const answer = await abortable(drive(monitor, request), limit.signal);
    if (answer.pid <= 0) throw createFailed(answer.message);
    const init = processRef(answer.pid) ?? { pid: answer.pid, startTime: "" };
    const created = { init, monitor: monitorRef(bundle), closed: monitor.sync.closed };
    unwind.keep();
    return created;
  } catch (error) {
    if (!limit.signal.aborted) throw error;
    if (request.signal?.aborted) throw wrapError(`create container ${id}`, request.signal.reason);
    log.error(`Container creation timeout (${handler.createTimeout}s)`, { id });
    throw new CridError("deadline_exceeded", `create container timeout: ${id}`, { cause: error });
  }
}

/** A monitor that was started; until it goes to the background, `child` is it. */
interface Monitor {
  readonly child: ChildProcess;
  readonly sync: ReturnType<typeof readSync>;
  readonly ended: Promise<{ readonly code: number }>;
  stderr(): string;
}

function start(request: CreateRequest): Monitor {
  const { handler } = request;
  // `start -p` makes stdout the sync pipe and stdin the start pipe, where the monitor expects them.
  const child = spawn(
    handler.native,
    ["start", "-p", "--", handler.monitorPath, ...monitorArguments(request)],
    {
      cwd: request.bundle,
      env: { ...handlerEnvironment(handler), _OCI_SYNCPIPE: "3", _OCI_STARTPIPE: "4" },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR);
  });
  child.stdin.on("error", () => {}); // it may be gone before it is told to go on
  const ended = exit(child, handler.monitorPath);
  ended.catch(() => {}); // awaited later, or not at all after an earlier failure
  return { child, sync: readSync(child.stdout), ended, stderr: () => stderr };
}

/** Places the monitor, lets it go on, and waits for what it has to say. */
async function drive(monitor: Monitor, request: CreateRequest): Promise<SyncAnswer> {
  const { child } = monitor;
  if (child.pid !== undefined) await request.placeMonitor?.(child.pid);
  child.stdin!.end("\0");
  const { code } = await monitor.ended;
  if (code !== 0) {
    throw new CridError("unknown", `container create failed: ${lastMessage(monitor.stderr())}`);
  }
  return await monitor.sync.answer;
}

function createFailed(message: string): CridError {
  return new CridError(
    "unknown",
    `container create failed: ${lastMessage(message) || "the runtime failed without a message"}`,
  );
}

function monitorRef(bundle: string): ProcessRef | undefined {
  const pid = readPid(join(bundle, "conmon-pidfile"));
  return pid === undefined ? undefined : processRef(pid);
}

/** Kills a monitor in the foreground or the background, and the runtime with it. */
async function kill(monitor: Monitor, bundle: string): Promise<void> {
  killGroup(monitor.child);
  const ref = monitorRef(bundle);
  if (ref === undefined || !isAlive(ref)) return;
  // Its session, which the runtime belongs to as well.
  for (const pid of [-ref.pid, ref.pid]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as { code?: string }).code !== "ESRCH") throw error;
    }
  }
  // Whatever the runtime has left behind may hold the pipe open.
  await abortable(monitor.sync.closed, AbortSignal.timeout(KILLED_MS)).catch(() => {});
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
  return pid > 0 ? pid : undefined;
}
