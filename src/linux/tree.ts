import { readDirectory } from "./directory.ts";
import { Errno, isErrno } from "./errno.ts";
import { Fd, open, openAt, OpenFlag } from "./fd.ts";
import { FileType } from "./node.ts";
import { lstatAt } from "./stat.ts";

/** A descriptor is held for each directory on the way down. */
const MAX_DEPTH = 1024;
/** After so many entries others get their turn. */
const ENTRIES_PER_TURN = 256;
const DT_UNKNOWN = 0;
const DT_DIR = 4;
const ENAMETOOLONG = 36;
const DIRECTORY = OpenFlag.READ | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;

/** @param entry A path that leads to the entry as long as the call runs, if its last part is not followed. */
export type Visit = (entry: Uint8Array) => void;

/**
 * Visits a file, or a directory after all that is in it. Links are visited and never followed, and
 * each directory is entered by its parent's descriptor: whoever can write to the tree cannot lead
 * the walk out of it by putting a link in a directory's place. Entries that vanish meanwhile are no
 * error.
 *
 * @param path Absolute, with links resolved and without a slash at its end.
 * @throws {Errno} `ENAMETOOLONG` for a tree that is too deep, and what `visit` throws.
 */
export async function walkTree(path: string, visit: Visit): Promise<void> {
  const slash = path.lastIndexOf("/");
  using parent = open(path.slice(0, slash) || "/", OpenFlag.PATH | OpenFlag.DIRECTORY);
  const name = new TextEncoder().encode(path.slice(slash + 1));
  await new Walk(visit).entry(new Directory(parent), name, DT_UNKNOWN);
}

/** A directory that the walk has entered. */
class Directory {
  readonly fd: Fd;
  readonly depth: number;
  /** Before the name of an entry, makes it a path. */
  readonly #prefix: Uint8Array;

  constructor(fd: Fd, depth = 0) {
    this.fd = fd;
    this.depth = depth;
    this.#prefix = new TextEncoder().encode(`/proc/self/fd/${fd.number}/`);
  }

  path(name: Uint8Array): Uint8Array {
    const path = new Uint8Array(this.#prefix.length + name.length);
    path.set(this.#prefix);
    path.set(name, this.#prefix.length);
    return path;
  }

  /** Not every file system tells types with names. */
  isDirectory(name: Uint8Array, type: number): boolean {
    if (type !== DT_UNKNOWN) return type === DT_DIR;
    return (lstatAt(this.fd.number, name).mode & 0o170000) === FileType.DIRECTORY;
  }
}

class Walk {
  readonly #visit: Visit;
  #visited = 0;

  constructor(visit: Visit) {
    this.#visit = visit;
  }

  async entry(parent: Directory, name: Uint8Array, type: number): Promise<void> {
    try {
      if (parent.isDirectory(name, type)) await this.#below(parent, name);
      this.#visit(parent.path(name));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    if (++this.#visited % ENTRIES_PER_TURN === 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async #below(parent: Directory, name: Uint8Array): Promise<void> {
    if (parent.depth >= MAX_DEPTH) {
      throw new Errno(ENAMETOOLONG, "walk", `${MAX_DEPTH} directories down`);
    }
    using fd = openDirectory(parent.fd, name);
    if (fd === undefined) return;
    const directory = new Directory(fd, parent.depth + 1);
    for (const [entry, type] of readDirectory(fd)) {
      await this.entry(directory, entry.subarray(0, -1), type);
    }
  }
}

/** `undefined` when something else has taken the directory's place. */
function openDirectory(parent: Fd, name: Uint8Array): Fd | undefined {
  try {
    return openAt(parent.number, name, DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
