/**
 * Waits for changes of files.
 *
 * @module
 */

/** Changes below some directories from the time on that it was made. */
export class Watch implements Disposable {
  /** Changed paths in order; a reading is no change. */
  readonly paths: string[] = [];
  readonly #watcher: Deno.FsWatcher;
  #changed = Promise.withResolvers<void>();

  constructor(...directories: string[]) {
    this.#watcher = Deno.watchFs(directories);
    // Taken at once: the watcher itself keeps sixteen and forgets the rest.
    void this.#collect();
  }

  async #collect(): Promise<void> {
    for await (const { kind, paths } of this.#watcher) {
      if (kind === "access") continue;
      this.paths.push(...paths);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }

  /** Waits until a path has changed. */
  async seen(path: string): Promise<void> {
    while (!this.paths.includes(path)) await this.#changed.promise;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
