import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { deadline } from "../failure/mod.ts";
import {
  KernelFileError,
  kernelFileExists,
  readKernelFile,
  writeKernelFile,
} from "../linux/mod.ts";
import { cgroupTree, treeProcesses } from "./tree.ts";

/** Neither kind of cgroup tells everybody when its last process is gone: look again. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 50;
/** A process can sit in the kernel for long, but the caller shall hear of it. */
const KILL_LIMIT_MS = 60_000;

/**
 * Kills all processes of a v2 cgroup and waits until they are gone.
 *
 * @throws The signal's reason, or {@linkcode CridError} `deadline_exceeded`.
 */
export async function killUnified(place: string, signal?: AbortSignal): Promise<void> {
  const alive = () => /^populated 1$/m.test(readKernelFile(`${place}/cgroup.events`) ?? "");
  await killUntil(place, alive, () => {
    // Since Linux 5.14 the kernel does it at one stroke, whatever forks meanwhile.
    if (kernelFileExists(`${place}/cgroup.kill`)) {
      tolerantWrite(`${place}/cgroup.kill`, "1");
      return;
    }
    tolerantWrite(`${place}/cgroup.freeze`, "1");
    killEach(treeProcesses(place));
    for (const each of cgroupTree(place)) tolerantWrite(`${each}/cgroup.freeze`, "0");
  }, signal);
}

/**
 * Kills all processes of a v1 cgroup and waits until they are gone.
 *
 * @param path For error texts.
 * @param pids Those that are there at the moment.
 * @param freezer The cgroup in the freezer's hierarchy: frozen processes cannot fork away.
 * @throws The signal's reason, or {@linkcode CridError} `deadline_exceeded`.
 */
export async function killFrozen(
  path: string,
  pids: () => readonly number[],
  freezer: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  await killUntil(path, () => pids().length > 0, () => {
    if (freezer !== undefined) tolerantWrite(`${freezer}/freezer.state`, "FROZEN");
    try {
      killEach(pids());
    } finally {
      // SIGKILL reaches a frozen process when it thaws, also one that was paused before.
      const frozen = freezer === undefined ? [] : cgroupTree(freezer);
      for (const each of frozen) tolerantWrite(`${each}/freezer.state`, "THAWED");
    }
  }, signal);
}

async function killUntil(
  place: string,
  alive: () => boolean,
  strike: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  using limit = deadline(`kill cgroup ${place}`, KILL_LIMIT_MS, signal);
  for (let wait = FIRST_LOOK_MS; alive(); wait = Math.min(2 * wait, LAST_LOOK_MS)) {
    limit.signal.throwIfAborted();
    strike();
    await pause(wait);
  }
}

function killEach(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ESRCH: it was faster.
    }
  }
}

/** The cgroup may go away between two looks, and the freezer may refuse what is being frozen. */
function tolerantWrite(path: string, text: string): void {
  try {
    writeKernelFile(path, text);
  } catch (error) {
    if (!(error instanceof KernelFileError)) throw error;
  }
}
