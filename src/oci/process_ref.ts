import { processStat } from "../linux/mod.ts";
import type { ProcessRef } from "./types.ts";

/** Names a living process so that a reused pid is not mistaken for it; `undefined` when it is gone. */
export function processRef(pid: number): ProcessRef | undefined {
  const stat = processStat(pid);
  return stat && { pid, startTime: String(stat.startTime) };
}

/** Whether the very process still runs; a zombie does not. */
export function isAlive(ref: ProcessRef): boolean {
  const stat = processStat(ref.pid);
  return stat !== undefined && String(stat.startTime) === ref.startTime &&
    stat.state !== "Z" && stat.state !== "X";
}
