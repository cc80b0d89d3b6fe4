/**
 * Paths inside a root file system that cannot be trusted: a container's, or a layer's.
 *
 * The kernel resolves them as if the process were chrooted there (openat2(2), RESOLVE_IN_ROOT):
 * absolute symbolic links and `..` stay inside, whatever changes meanwhile.
 */
import { CridError } from "../failure/mod.ts";
import { check, Errno, isErrno } from "./errno.ts";
import { Fd, open, openAt, OpenFlag, pathOf, readToEnd } from "./fd.ts";
import { cString, lastErrno, libc, SYSCALL } from "./libc.ts";
import { FileType } from "./node.ts";
import { statFd } from "./stat.ts";

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
/** The kernel gives up (EAGAIN) when directories move during a look-up; so often it is tried again. */
const RETRIES = 32;

/** A root directory: its path, or a descriptor of it. */
export type Root = string | Fd;

/**
 * Opens `path` inside `root`.
 *
 * @param flags Of {@linkcode OpenFlag}; with `CREATE` the parent must exist.
 * @throws {Errno} `ENOENT`, `ELOOP`, …
 */
export function openInRoot(root: Root, path: string | Uint8Array, flags: number, mode = 0): Fd {
  if (typeof root === "string") {
    using directory = open(root, OpenFlag.PATH | OpenFlag.DIRECTORY);
    return openInRoot(directory, path, flags, mode);
  }
  const number = openat2(root.number, cString(path), flags, mode);
  if (number >= 0) return new Fd(number);
  throw new Errno(-number, "open", `${String(path)} inside the root`);
}

/** As openat2(2); a negative errno instead of an exception, for code that meets it often. */
export function openat2(
  root: number,
  path: Uint8Array<ArrayBuffer>,
  flags: number,
  mode: number,
): number {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const how = new BigUint64Array([
    BigInt(flags | OpenFlag.CLOEXEC),
    BigInt(mode),
    BigInt(resolve),
  ]);
  const bytes = new Uint8Array(how.buffer);
  for (let attempt = 0;; attempt++) {
    const result = libc().sysOpenat2(
      BigInt(SYSCALL.openat2),
      BigInt(root),
      path,
      bytes,
      BigInt(bytes.length),
    );
    if (result >= 0) return Number(result);
    const errno = lastErrno();
    const again = errno === EAGAIN || errno === EINTR;
    if (!again || attempt >= RETRIES) return -errno;
  }
}

const EAGAIN = 11;
const EINTR = 4;

/**
 * The path on the host of what `path` leads to inside `root`, with every link resolved.
 *
 * Whoever can change the root can change it afterwards: where that matters, keep the descriptor of
 * {@linkcode openInRoot} and use it.
 *
 * @returns `undefined` when it leads nowhere.
 * @throws {Errno}
 */
export function resolveInRoot(root: Root, path: string): string | undefined {
  try {
    using fd = openInRoot(root, path, OpenFlag.PATH);
    return pathOf(fd);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** What directories and files that are made inside a root look like. */
export interface MadeFile {
  /** Default 0755 for directories, 0644 for files; not touched by the umask. */
  readonly mode?: number;
  /** Default 0. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Makes the directory `path` inside `root` and all that is missing above it (`mkdir -p`), following
 * links as a process inside would. What exists is left as it is.
 *
 * @returns The directory, opened.
 * @throws {CridError} `failed_precondition` when something that is no directory is in the way.
 */
export function mkdirInRoot(root: Root, path: string, made: MadeFile = {}): Fd {
  if (typeof root === "string") {
    using directory = open(root, OpenFlag.PATH | OpenFlag.DIRECTORY);
    return mkdirInRoot(directory, path, made);
  }
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  let current = openInRoot(root, "/", OpenFlag.READ | OpenFlag.DIRECTORY);
  let reached = "";
  try {
    for (const name of names) {
      reached += `/${name}`;
      const next = enterOrMake(root, current, reached, name, made);
      current[Symbol.dispose]();
      current = next;
    }
    return current;
  } catch (error) {
    current[Symbol.dispose]();
    if (isErrno(error, "ENOTDIR", "EEXIST", "ENOENT", "ELOOP")) {
      throw new CridError(
        "failed_precondition",
        `make directory ${path} inside the root file system: ${reached} is not a directory`,
        { cause: error },
      );
    }
    throw error;
  }
}

const DIRECTORY = OpenFlag.READ | OpenFlag.DIRECTORY;
const DIRECTORY_ITSELF = DIRECTORY | OpenFlag.NOFOLLOW;

function enterOrMake(root: Fd, parent: Fd, reached: string, name: string, made: MadeFile): Fd {
  try {
    return openInRoot(root, reached, DIRECTORY);
  } catch (error) {
    if (!isErrno(error, "ENOENT") || name === "..") throw error;
  }
  check(libc().mkdirat(parent.number, cString(name), 0o700), "mkdir", reached);
  const directory = openAt(parent.number, name, DIRECTORY_ITSELF);
  own(directory, made, 0o755);
  return directory;
}

function own(fd: Fd, made: MadeFile, defaultMode: number): void {
  check(libc().fchown(fd.number, made.uid ?? 0, made.gid ?? 0), "chown", pathOf(fd));
  check(libc().fchmod(fd.number, made.mode ?? defaultMode), "chmod", pathOf(fd));
}

/**
 * Reads a regular file inside `root`, such as its `/etc/passwd`.
 *
 * @returns `undefined` when there is none.
 * @throws {CridError} `failed_precondition` when it is no regular file or longer than `limit` bytes.
 */
export function readFileInRoot(root: Root, path: string, limit: number): Uint8Array | undefined {
  let file: Fd;
  try {
    // A fifo or device of a hostile image must not hang us.
    file = openInRoot(root, path, OpenFlag.READ | OpenFlag.NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
  using opened = file;
  const { mode, size } = statFd(opened);
  if ((mode & 0o170000) !== FileType.REGULAR || size > limit) {
    throw new CridError(
      "failed_precondition",
      `read ${path} inside the root file system: it is no regular file of at most ${limit} bytes`,
    );
  }
  return readToEnd(opened, limit);
}
