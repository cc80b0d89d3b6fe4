import { PidFd } from "../linux/mod.ts";
import { isAlive, type ProcessRef } from "../oci/mod.ts";

/** A monitor ends within milliseconds of its container; one that hangs is not waited for. */
const LONGEST_MS = 5_000;

/** Waits until that very process has ended, but not for ever. */
export async function processEnd(process: ProcessRef | undefined): Promise<void> {
  if (process === undefined) return;
  using fd = PidFd.open(process.pid);
  if (fd === undefined || !isAlive(process)) return;
  const limit = AbortSignal.timeout(LONGEST_MS);
  await fd.exited(limit).catch(() => {});
}
