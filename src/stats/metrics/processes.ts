import { listKernelDirectory, readKernelFile, readKernelLink } from "../../linux/mod.ts";

/** What the processes of one container hold. */
export interface ProcessFigures {
  readonly processes: number;
  readonly fileDescriptors: number;
  readonly sockets: number;
  /** Soft limit of open files of its first process; `undefined` for none. */
  readonly openFilesLimit: number | undefined;
}

/** Counts over all processes; those that end meanwhile count as far as they were seen. */
export function processFigures(pids: readonly number[], firstPid: number): ProcessFigures {
  let fileDescriptors = 0;
  let sockets = 0;
  for (const pid of pids) {
    const open = listKernelDirectory(`/proc/${pid}/fd`) ?? [];
    fileDescriptors += open.length;
    sockets += open.filter(({ name }) => isSocket(`/proc/${pid}/fd/${name}`)).length;
  }
  return {
    processes: pids.length,
    fileDescriptors,
    sockets,
    openFilesLimit: openFilesLimit(firstPid),
  };
}

function isSocket(path: string): boolean {
  return readKernelLink(path)?.startsWith("socket:") ?? false;
}

/** `Max open files            1024                 20000                files` */
function openFilesLimit(pid: number): number | undefined {
  const limits = readKernelFile(`/proc/${pid}/limits`) ?? "";
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? undefined : Number(soft);
}
