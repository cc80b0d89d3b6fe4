import { PidFd } from "../linux/mod.ts";
import { isAlive, type ProcessRef } from "../oci/mod.ts";
import { signalProcess } from "./signals.ts";

const SIGKILL = 9;

/** A monitor ends within milliseconds of its container; one that hangs is not waited for. */
const LONGEST_MS = 5_000;

/** Waits until that very process has ended, but not for ever: until `limit` aborts. */
export async function processEnd(
  process: ProcessRef | undefined,
  limit: AbortSignal = AbortSignal.timeout(LONGEST_MS),
): Promise<void> {
  if (process === undefined) return;
  using fd = PidFd.open(process.pid);
  if (fd === undefined || !isAlive(process)) return;
  await fd.exited(limit).catch(() => {});
}

/** Waits until the monitor of a container that goes has ended; one that hangs is killed. */
export async function monitorEnd(monitor: ProcessRef | undefined): Promise<void> {
  await processEnd(monitor);
  if (monitor === undefined || !isAlive(monitor)) return;
  signalProcess(monitor, SIGKILL);
  await processEnd(monitor);
}
