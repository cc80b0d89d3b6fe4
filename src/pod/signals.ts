import { constants } from "node:os";
import { PidFd, processStatus } from "../linux/mod.ts";
import { isAlive, type ProcessRef } from "../oci/mod.ts";

/** The first real-time signal that programs may use; glibc keeps two for itself, musl three. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;
const HIGHEST = 64;

/**
 * The number of a signal: `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`, also as images and CRI spell it
 * (`RTMIN+3`, `SIGRTMINPLUS3`). `undefined` for what is no signal.
 */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  const number = /^\d+$/.test(name) ? Number(name) : named(name);
  return number !== undefined && number >= 1 && number <= HIGHEST ? number : undefined;
}

function named(name: string): number | undefined {
  const [, base, sign, offset] = /^(RTMIN|RTMAX)(?:(\+|-|PLUS|MINUS)(\d+))?$/.exec(name) ?? [];
  if (base === undefined) return (constants.signals as Record<string, number>)[`SIG${name}`];
  const distance = Number(offset ?? 0) * (sign === "-" || sign === "MINUS" ? -1 : 1);
  return (base === "RTMIN" ? SIGRTMIN : SIGRTMAX) + distance;
}

/**
 * Sends a signal to that very process. A pidfd is opened before the process is looked at, so that
 * one that has got its number in between is never hit.
 *
 * @returns Whether it was still there.
 */
export function signalProcess(process: ProcessRef, signal: number): boolean {
  using fd = PidFd.open(process.pid);
  return fd !== undefined && isAlive(process) && fd.kill(signal);
}

/**
 * The name of the program in a process, if it has a handler for a signal (`Name` and `SigCgt` of
 * proc_pid_status(5)).
 */
export function programCatching(process: ProcessRef, signal: number): string | undefined {
  const status = processStatus(process.pid);
  const caught = BigInt(`0x${status?.get("SigCgt") ?? "0"}`);
  return (caught >> BigInt(signal - 1) & 1n) === 1n ? status?.get("Name") : undefined;
}
