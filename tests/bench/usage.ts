/**
 * What processes cost, as the kernel counts it. On a machine that others use, too, CPU time says more than
 * the clock.
 *
 * @module
 */

/** Clock ticks a second in /proc; Linux shows no other number to programs. */
const TICKS = 100;

/** Idle isolates of pulls end after ten seconds. */
const UNTIL_REST_MS = 15_000;

/** Milliseconds of CPU that a process and all of its threads have used, kernel and user. */
export function cpuTime(pid: number): number {
  return ticks(pid, 11, 12) * 1000 / TICKS;
}

/** As {@linkcode cpuTime}, of this process' children that have ended. */
export function childrenCpuTime(): number {
  return ticks(Deno.pid, 13, 14) * 1000 / TICKS;
}

/** Sums fields of /proc/pid/stat, counted from the one behind the name. */
function ticks(pid: number, ...fields: readonly number[]): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.reduce((sum, field) => sum + Number(values[field]), 0);
}

/** Resident memory of a process in MB. */
export function residentMemory(pid: number): number {
  return memory(pid, "VmRSS");
}

/**
 * As {@linkcode residentMemory}, when crid has given back what its last burst of work has needed.
 */
export async function restingMemory(pid: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, UNTIL_REST_MS));
  return residentMemory(pid);
}

/** The most that a process has had resident since {@linkcode forgetPeak}, in MB. */
export function peakMemory(pid: number): number {
  return memory(pid, "VmHWM");
}

/** Lets the peak begin at what is resident now. */
export function forgetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

function memory(pid: number, key: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) * 1024 / 1e6;
}
