import { readKernelFile } from "./kernel_files.ts";

/** A mount as /proc/<pid>/mountinfo has it (proc(5)). */
export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** What of the file system is mounted: `/` but for bind mounts. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, `propagate_from:3`, `unbindable`. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** The mounts that a process sees, in the order of mounting; none when it is gone. */
export function mountInfo(pid: number | "self" = "self"): MountInfo[] {
  return parseMountInfo(readKernelFile(`/proc/${pid}/mountinfo`) ?? "");
}

/** Parses the text of a mountinfo file. */
export function parseMountInfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    if (line !== "") mounts.push(parseLine(line));
  }
  return mounts;
}

function parseLine(line: string): MountInfo {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  return {
    id: Number(fields[0]),
    parent: Number(fields[1]),
    device: fields[2] ?? "",
    root: unescape(fields[3] ?? ""),
    mountPoint: unescape(fields[4] ?? ""),
    options: (fields[5] ?? "").split(","),
    propagation: fields.slice(6, separator),
    type: fields[separator + 1] ?? "",
    source: unescape(fields[separator + 2] ?? ""),
    superOptions: (fields[separator + 3] ?? "").split(","),
  };
}

/** Blank, tab, newline and backslash are written as three octal digits. */
function unescape(text: string): string {
  return text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)))
    : text;
}

/** Whether something is mounted exactly at `path`, which is absolute and free of links. */
export function isMountPoint(path: string): boolean {
  return mountInfo().some((mount) => mount.mountPoint === path);
}

/** The mount points at and below `path`, the deepest and latest first: the order for unmounting. */
export function mountsBelow(path: string): string[] {
  const prefix = path.endsWith("/") ? path : `${path}/`;
  return mountInfo()
    .map((mount) => mount.mountPoint)
    .filter((point) => point === path || point.startsWith(prefix))
    .reverse();
}
