import {
  closeFile,
  entryName,
  isErrno,
  makeDirectory,
  openDirectoryInRoot,
  setMode,
} from "../../linux/mod.ts";
import { splitPath } from "./entry_path.ts";

/** Directories held open at a time. */
const MOST_OPEN = 64;
/** What directories get that no entry describes. */
const IMPLIED_MODE = 0o755;

/**
 * The directories of a layer that is being written, held open, so that a file costs no look-up of
 * its path. A link on the way is resolved inside the layer, as after a chroot.
 */
export class Directories implements Disposable {
  readonly #root: number;
  /** By cleaned path, the least recently used first. */
  readonly #open = new Map<string, number>();

  /** @param root Descriptor of the layer's root; it stays the caller's. */
  constructor(root: number) {
    this.#root = root;
  }

  /**
   * The descriptor of a directory; it and the ones above it are made if they are missing. Use it at
   * once: the next call may close it.
   *
   * @throws {Errno} `ENOTDIR` when something else is there.
   */
  descriptor(path: string): number {
    if (path === "") return this.#root;
    const held = this.#open.get(path);
    if (held !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, held);
      return held;
    }
    const opened = this.#openOrMake(path);
    this.#open.set(path, opened);
    if (this.#open.size > MOST_OPEN) this.#closeOldest();
    return opened;
  }

  /** As {@linkcode Directories.descriptor}, but `undefined` when there is no such directory. */
  existing(path: string): number | undefined {
    if (path === "" || this.#open.has(path)) return this.descriptor(path);
    try {
      const opened = openDirectoryInRoot(this.#root, entryName(path));
      this.#open.set(path, opened);
      if (this.#open.size > MOST_OPEN) this.#closeOldest();
      return opened;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
  }

  /** Something has been replaced: what is held open may no longer be what its path leads to. */
  forget(): void {
    for (const number of this.#open.values()) closeFile(number);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.forget();
  }

  #openOrMake(path: string): number {
    const name = entryName(path);
    try {
      return openDirectoryInRoot(this.#root, name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    const [parent, last] = splitPath(path);
    const entry = entryName(last);
    makeDirectory(this.descriptor(parent), entry, IMPLIED_MODE);
    // Whatever the umask is.
    setMode(this.descriptor(parent), entry, IMPLIED_MODE);
    return openDirectoryInRoot(this.#root, name);
  }

  #closeOldest(): void {
    for (const [path, number] of this.#open) {
      this.#open.delete(path);
      closeFile(number);
      return;
    }
  }
}
