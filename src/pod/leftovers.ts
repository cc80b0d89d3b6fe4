import { errorMessage, wrapError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { Queue } from "./queue.ts";

/** After the first failure; doubled each time, up to the longest. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/** One thing that is still there, and how to take it away. */
interface Leftover {
  readonly what: string;
  readonly remove: () => void | Promise<void>;
}

/** What is left of one name. */
interface Remains {
  readonly leftovers: Leftover[];
  /** Serialises the tries. */
  readonly queue: Queue;
  waitMs: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * What is left of pods and containers that were not made, where taking it away has failed as well: a
 * runtime or a plugin was broken just then. It is tried again in the background, and at the latest
 * before something of the same name is made anew.
 */
export class Leftovers implements Disposable {
  readonly #byName = new Map<string, Remains>();
  readonly #underway = new Map<string, Promise<void>>();

  /** @param name Full name of the pod or container. */
  add(name: string, what: string, remove: Leftover["remove"]): void {
    const remains = this.#byName.get(name) ??
      { leftovers: [], queue: new Queue(), waitMs: FIRST_WAIT_MS, timer: undefined };
    this.#byName.set(name, remains);
    remains.leftovers.push({ what, remove });
    this.#tryLater(name, remains);
  }

  /**
   * Takes things away in the background: a program that hangs must not keep others waiting. What of it
   * fails is to be added.
   */
  takeAway(name: string, work: () => Promise<void>): void {
    const done = (this.#underway.get(name) ?? Promise.resolve()).then(work).finally(() => {
      if (this.#underway.get(name) === done) this.#underway.delete(name);
    });
    this.#underway.set(name, done);
  }

  /**
   * Does what must come last, and with it forget the name: as long as anything else is left it
   * refuses, so that it is tried again after that.
   */
  async last(name: string, remove: Leftover["remove"]): Promise<void> {
    if (this.#byName.has(name)) throw new Error("kept until the rest of it is gone");
    await remove();
  }

  /**
   * Does what must come after another thing is gone: while that is left it refuses, so that it is
   * tried again after it.
   *
   * @param earlier The name of the other thing.
   */
  async after(name: string, earlier: string, remove: Leftover["remove"]): Promise<void> {
    const isLeft = this.#byName.get(name)?.leftovers.some(({ what }) => what === earlier);
    if (isLeft) throw new Error(`kept until its ${earlier} is gone`);
    await remove();
  }

  /**
   * Takes away what is left of a name, now.
   *
   * @throws {CridError} Saying what resists.
   */
  async settle(name: string): Promise<void> {
    await this.#underway.get(name);
    const remains = this.#byName.get(name);
    if (remains === undefined) return;
    await remains.queue.run(() => this.#remove(name, remains));
  }

  /** Stops trying; the next start finds what is left on disk. */
  [Symbol.dispose](): void {
    for (const { timer } of this.#byName.values()) clearTimeout(timer);
    this.#byName.clear();
  }

  async #remove(name: string, remains: Remains): Promise<void> {
    const { leftovers } = remains;
    while (leftovers[0] !== undefined) {
      const { what, remove } = leftovers[0];
      // The last one must not find itself still waiting.
      if (leftovers.length === 1) this.#byName.delete(name);
      try {
        await remove();
      } catch (error) {
        this.#byName.set(name, remains);
        throw wrapError(
          `${name}: an earlier attempt left its ${what}, which cannot be removed`,
          error,
        );
      }
      leftovers.shift();
    }
    clearTimeout(remains.timer);
    log.info(`Removed what was left of ${name}`);
  }

  #tryLater(name: string, remains: Remains): void {
    clearTimeout(remains.timer);
    remains.timer = setTimeout(async () => {
      try {
        await this.settle(name);
      } catch (error) {
        log.warn(errorMessage(error));
        remains.waitMs = Math.min(remains.waitMs * 2, LONGEST_WAIT_MS);
        if (this.#byName.has(name)) this.#tryLater(name, remains);
      }
    }, remains.waitMs);
  }
}
