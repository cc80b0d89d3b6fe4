import { KernelFileError, readKernelFile } from "./kernel_files.ts";

/** A process as /proc/<pid>/stat has it, as far as crid needs it. */
export interface ProcessStat {
  readonly pid: number;
  readonly command: string;
  /** `R` running, `S` sleeping, `D` in the kernel, `T` stopped, `t` traced, `Z` zombie, `X` dead, `I` idle. */
  readonly state: string;
  readonly parent: number;
  /** Clock ticks since boot; with the pid it names a process for as long as the host is up. */
  readonly startTime: number;
}

/** Reads the stat of a process; `undefined` when there is none. */
export function processStat(pid: number): ProcessStat | undefined {
  const text = readKernelFile(`/proc/${pid}/stat`);
  return text === undefined || text === "" ? undefined : parseProcessStat(text);
}

/** Parses a line of /proc/<pid>/stat; the command may hold blanks and parentheses (proc(5)). */
export function parseProcessStat(text: string): ProcessStat {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).trim().split(" ");
  return {
    pid: Number(text.slice(0, open)),
    command: text.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: Number(fields[1]),
    startTime: Number(fields[19]),
  };
}

/** The fields of /proc/<pid>/status by name; `undefined` when there is no such process. */
export function processStatus(pid: number | "self"): ReadonlyMap<string, string> | undefined {
  const text = readKernelFile(`/proc/${pid}/status`);
  if (text === undefined) return undefined;
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

/** A variable of the environment that a process was started with, if we may look at it. */
export function processVariable(pid: number, name: string): string | undefined {
  try {
    const entries = readKernelFile(`/proc/${pid}/environ`)?.split("\0") ?? [];
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch (error) {
    // One with more capabilities than we have shows nobody its memory.
    if (error instanceof KernelFileError) return undefined;
    throw error;
  }
}

/** The command line of a process, one word an entry; empty for a kernel thread or one that is gone. */
export function processArguments(pid: number): string[] {
  const text = readKernelFile(`/proc/${pid}/cmdline`) ?? "";
  return text === "" ? [] : text.replace(/\0$/, "").split("\0");
}
