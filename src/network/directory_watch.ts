import { readdirSync, statSync } from "node:fs";
import { dirname } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";

/** How old a look at the directory may be where the kernel gives no more watches. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Tells when anything in a directory or one level below changes. The directory may be missing, come,
 * go and be replaced, and links on its way may be turned: the directory above is watched as well, or
 * while that is missing the nearest one that is there.
 */
export class DirectoryWatch implements Disposable {
  readonly #directory: string;
  readonly #onChange: () => void;
  #watcher: Deno.FsWatcher | undefined;
  /** What is watched, by path and inode. */
  #watched = "";
  #closed = false;
  #lookAgainAt = 0;

  constructor(directory: string, onChange: () => void) {
    this.#directory = directory.replace(/(?<=.)\/+$/, "");
    this.#onChange = onChange;
    this.#arm();
  }

  /** True once in a while when there is no watch to rely on; another is then tried for. */
  mayHaveMissedChanges(): boolean {
    if (this.#watcher !== undefined || this.#closed) return false;
    if (performance.now() < this.#lookAgainAt) return false;
    this.#lookAgainAt = performance.now() + LOOK_AGAIN_MS;
    this.#arm();
    return true;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  #arm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    const paths = this.#paths();
    this.#watched = identities(paths);
    try {
      const watcher = Deno.watchFs([...paths], { recursive: false });
      this.#watcher = watcher;
      this.#follow(watcher);
      // Made or replaced between the look and the watch: nobody would ever tell.
      if (identities(this.#paths()) !== this.#watched) this.#arm();
    } catch (error) {
      log.warn(
        `Watching the CNI config directory failed, it is read again every ${
          LOOK_AGAIN_MS / 1000
        } s: ${errorMessage(error)}`,
        { path: this.#directory },
      );
    }
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) {
        // Our own reading is an event too.
        if (event.kind === "access") continue;
        if (this.#closed || this.#watcher !== watcher) return;
        // A directory that was replaced needs a new watch, and may have been filled before it.
        if (identities(this.#paths()) !== this.#watched) this.#arm();
        this.#onChange();
      }
    } catch (error) {
      if (this.#closed || this.#watcher !== watcher) return;
      this.#watcher = undefined;
      log.warn(`Watching the CNI config directory ended: ${errorMessage(error)}`);
    }
  }

  /** The directory, those in it and the one above; or the nearest above that is there. */
  #paths(): readonly string[] {
    const children = subdirectories(this.#directory);
    if (children !== undefined) {
      return [dirname(this.#directory), this.#directory, ...children];
    }
    let above = dirname(this.#directory);
    while (above !== "/" && subdirectories(above) === undefined) above = dirname(above);
    return [above];
  }
}

function subdirectories(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${directory}/${entry.name}`);
  } catch {
    return undefined;
  }
}

function identities(paths: readonly string[]): string {
  return paths.map((path) => {
    try {
      const { dev, ino } = statSync(path);
      return `${path} ${dev}:${ino}`;
    } catch {
      return path;
    }
  }).join("\n");
}
