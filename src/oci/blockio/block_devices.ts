import { basename, dirname, join } from "@std/path";
import { isErrno, listKernelDirectory, resolveInRoot, stat } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";

export interface BlockDevice {
  readonly major: number;
  readonly minor: number;
}

const TYPE = 0o170000;
const BLOCK = 0o060000;

/** The block devices that patterns of paths such as `/dev/vd*` lead to, each of them once. */
export function blockDevices(patterns: readonly string[]): readonly BlockDevice[] {
  const found = new Map<string, BlockDevice>();
  for (const pattern of patterns) {
    const paths = expand(pattern);
    if (paths.length === 0) log.warn(`blockio: nothing is at ${pattern}`);
    for (const path of paths) {
      const device = blockDevice(path);
      if (device === undefined) log.warn(`blockio: ${path} is no block device`);
      else found.set(`${device.major}:${device.minor}`, device);
    }
  }
  return [...found.values()];
}

/** The paths that a pattern fits; any part of it may have wildcards. */
function expand(pattern: string): readonly string[] {
  if (!/[*?[]/.test(pattern)) return exists(pattern) ? [pattern] : [];
  const name = wildcards(basename(pattern));
  return expand(dirname(pattern)).flatMap((directory) =>
    (listKernelDirectory(directory) ?? [])
      .filter((entry) => name.test(entry.name))
      .map((entry) => join(directory, entry.name))
      .toSorted()
  );
}

/** As in glob(7): `*`, `?` and `[a-z]`. */
function wildcards(name: string): RegExp {
  const source = name.replaceAll(/\[!?[^\]]+\]|[\\^$.*+?()[\]{}|]/g, (part) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    if (part.length > 1) return part.replaceAll("\\", "\\\\").replace(/^\[!/, "[^");
    return `\\${part}`;
  });
  return new RegExp(`^${source}$`);
}

function exists(path: string): boolean {
  return resolveInRoot("/", path) !== undefined;
}

function blockDevice(path: string): BlockDevice | undefined {
  try {
    const { mode, rdevMajor, rdevMinor } = stat(path);
    return (mode & TYPE) === BLOCK ? { major: rdevMajor, minor: rdevMinor } : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
