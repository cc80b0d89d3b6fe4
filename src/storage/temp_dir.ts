import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { errorMessage } from "../failure/mod.ts";
import { deleteSubvolume, isErrno, isSubvolume, OfdLock, statFd } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";

const LOCK = "lock-";
const DIRECTORY = "temp-dir-";

/**
 * A directory for half-made and half-deleted things, as containers/storage 1.60 names them. The lock
 * on `lock-<name>` is held as long as someone works in `temp-dir-<name>`; one whose lock is free was
 * left by a crash, and crid and podman alike remove it.
 */
export class TempDir implements AsyncDisposable {
  readonly path: string;
  readonly #lock: OfdLock;
  readonly #lockPath: string;
  #count = 0;
  #gone = false;

  private constructor(path: string, lock: OfdLock, lockPath: string) {
    this.path = path;
    this.#lock = lock;
    this.#lockPath = lockPath;
  }

  /** Makes one below `root`, which is made too. */
  static create(root: string): TempDir {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    for (;;) {
      const name = randomBytes(8).toString("hex");
      const lockPath = `${root}/${LOCK}${name}`;
      const lock = OfdLock.tryAcquire(lockPath, "write");
      if (lock === undefined) continue;
      // Whoever cleans up may have had the lock between our making and locking the file.
      if (statFd(lock.fd).links === 0) {
        lock[Symbol.dispose]();
        continue;
      }
      const path = `${root}/${DIRECTORY}${name}`;
      try {
        fs.mkdirSync(path, { mode: 0o700 });
        return new TempDir(path, lock, lockPath);
      } catch (error) {
        removeQuietly(lockPath);
        lock[Symbol.dispose]();
        throw error;
      }
    }
  }

  /** Moves a file or directory in here, to be deleted later; what is not there is no error. */
  take(path: string): void {
    try {
      fs.renameSync(path, `${this.path}/${this.#count++}-deleted`);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  /** Deletes it with all that is in it. A failure is logged; the next clean-up tries again. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    try {
      if (await removeTempTree(this.path)) removeQuietly(this.#lockPath);
    } finally {
      this.#lock[Symbol.dispose]();
    }
  }
}

/** What cannot be removed now is found by the next clean-up. */
function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch (error) {
    log.debug(`remove ${path}: ${errorMessage(error)}`);
  }
}

/** Deletes the temporary directories below `root` that nobody works in. */
export async function removeStaleTempDirs(root: string): Promise<void> {
  for (const name of staleNames(root)) {
    const lockPath = `${root}/${LOCK}${name}`;
    using lock = OfdLock.tryAcquire(lockPath, "write");
    if (lock === undefined) continue;
    if (await removeTempTree(`${root}/${DIRECTORY}${name}`)) fs.rmSync(lockPath, { force: true });
  }
}

function staleNames(root: string): Set<string> {
  const names = new Set<string>();
  if (!fs.existsSync(root)) return names;
  for (const entry of fs.readdirSync(root)) {
    if (entry.startsWith(LOCK)) names.add(entry.slice(LOCK.length));
    else if (entry.startsWith(DIRECTORY)) names.add(entry.slice(DIRECTORY.length));
  }
  return names;
}

/** Layers of btrfs in it go at once. */
async function removeTempTree(path: string): Promise<boolean> {
  if (fs.existsSync(path)) {
    for (const name of fs.readdirSync(path)) removeIfSubvolume(`${path}/${name}`);
  }
  return await removeTree(path);
}

/** A subvolume that has others in it is left to whoever deletes it file by file. */
function removeIfSubvolume(path: string): void {
  try {
    if (isSubvolume(path)) deleteSubvolume(path);
  } catch (error) {
    log.debug(`delete the subvolume ${path}: ${errorMessage(error)}`);
  }
}

/**
 * Deletes a tree, in a thread. A failure is logged: what is left is found by the next clean-up.
 *
 * @returns Whether it is gone.
 */
export async function removeTree(path: string): Promise<boolean> {
  removeIfSubvolume(path);
  try {
    await Deno.remove(path, { recursive: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    log.warn("Failed to delete what the store no longer needs", {
      path,
      error: errorMessage(error),
    });
    return false;
  }
}
