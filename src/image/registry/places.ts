import { errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { formatReference } from "../reference.ts";
import type { RegistryClient } from "./client.ts";
import type { PullSource } from "./sources.ts";
import type { Transports } from "./transports.ts";

/** One place from which an image's blobs come, with its connections. */
export interface Place {
  readonly source: PullSource;
  readonly client: RegistryClient;
  readonly transports: Transports;
}

/**
 * Where the blobs of one image come from: the place where its manifest was found, and when that fails
 * in the middle, the ones behind it. A blob has the same digest everywhere.
 */
export class Places implements Disposable {
  readonly #rest: PullSource[];
  readonly #open: (source: PullSource) => Promise<Place>;
  readonly #opened: Place[];
  #moving: Promise<unknown> = Promise.resolve();

  /**
   * @param rest Where to go on, in this order.
   * @param open Prepares a place; nothing is asked of it yet.
   */
  constructor(
    first: Place,
    rest: readonly PullSource[],
    open: (source: PullSource) => Promise<Place>,
  ) {
    this.#opened = [first];
    this.#rest = [...rest];
    this.#open = open;
  }

  /** Where to ask now. */
  get current(): Place {
    return this.#opened.at(-1)!;
  }

  /**
   * Gives a place up for good. Of several who have met its failure the first one moves all.
   *
   * @returns Whether there is another one.
   */
  leave(failed: Place, error: unknown): Promise<boolean> {
    const moved = this.#moving.then(async () => {
      if (this.current !== failed) return true;
      const next = this.#rest.shift();
      if (next === undefined) return false;
      this.#opened.push(await this.#open(next));
      log.warn("a place fails in the middle of an image, going on at the next", {
        from: formatReference(failed.source.reference),
        to: formatReference(next.reference),
        error: errorMessage(error),
      });
      return true;
    });
    this.#moving = moved.catch(() => {});
    return moved;
  }

  [Symbol.dispose](): void {
    for (const { transports } of this.#opened) transports[Symbol.dispose]();
  }
}
