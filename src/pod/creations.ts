import { abortable, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";

/** How long a thing that was made after its client had gone waits for the retry. */
const UNCLAIMED_MS = 120_000;

/** One thing being made, or made and not yet asked for again. */
interface Creation {
  readonly id: Promise<string>;
  waiters: number;
  done: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** What happens to a thing once it is made. */
export interface Outcome {
  /** Somebody got its id: from now on it is listed. */
  claim(id: string): void;
  /** Nobody asked for it in time: take it away. */
  abandon(id: string): Promise<void>;
}

/**
 * Creations by name. A client that hangs up does not stop the work: whoever asks for the same name
 * joins it and gets its result, so a kubelet that retries after a deadline never finds a name
 * "reserved" and never has the work done twice.
 */
export class Creations implements Disposable {
  readonly #creations = new Map<string, Creation>();
  /** Removals of what nobody has asked for, until they have ended. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #outcome: Outcome;
  readonly #unclaimedMs: number;

  constructor(outcome: Outcome, unclaimedMs = UNCLAIMED_MS) {
    this.#outcome = outcome;
    this.#unclaimedMs = unclaimedMs;
  }

  /**
   * The id of what is called `name`: of the creation in flight, or of the one that `make` begins.
   *
   * @throws What `make` throws, to everyone who waits; or the signal's reason.
   */
  async join(name: string, signal: AbortSignal, make: () => Promise<string>): Promise<string> {
    // What is on its way out is not given away any more.
    const leaving = this.#leaving.get(name);
    if (leaving !== undefined) await abortable(leaving, signal);
    const creation = this.#creations.get(name) ?? this.#begin(name, make);
    creation.waiters++;
    try {
      const id = await abortable(creation.id, signal);
      this.#forget(name, creation);
      this.#outcome.claim(id);
      return id;
    } finally {
      creation.waiters--;
      this.#waitForClaim(name, creation);
    }
  }

  /** Resolves when nothing is being made, or taken away, any more. */
  async settled(): Promise<void> {
    const making = Array.from(this.#creations.values(), (creation) => creation.id);
    await Promise.allSettled([...making, ...this.#leaving.values()]);
  }

  /** Stops the clocks of what nobody has claimed; the next start finds it on disk. */
  [Symbol.dispose](): void {
    for (const creation of this.#creations.values()) clearTimeout(creation.timer);
  }

  #begin(name: string, make: () => Promise<string>): Creation {
    const creation: Creation = { id: make(), waiters: 0, done: false, timer: undefined };
    this.#creations.set(name, creation);
    creation.id.then(() => {
      creation.done = true;
      this.#waitForClaim(name, creation);
    }, () => this.#forget(name, creation));
    return creation;
  }

  #forget(name: string, creation: Creation): void {
    clearTimeout(creation.timer);
    if (this.#creations.get(name) === creation) this.#creations.delete(name);
  }

  #abandon(name: string, creation: Creation): void {
    this.#forget(name, creation);
    const leaving = this.#remove(name, creation).finally(() => this.#leaving.delete(name));
    this.#leaving.set(name, leaving);
  }

  async #remove(name: string, creation: Creation): Promise<void> {
    try {
      await this.#outcome.abandon(await creation.id);
    } catch (error) {
      log.warn(`remove ${name}, which nobody has asked for again: ${errorMessage(error)}`);
      this.#creations.set(name, creation);
      this.#waitForClaim(name, creation);
    }
  }

  /** Starts the clock of a thing that is made and that nobody waits for. */
  #waitForClaim(name: string, creation: Creation): void {
    if (!creation.done || creation.waiters > 0 || this.#creations.get(name) !== creation) return;
    clearTimeout(creation.timer);
    creation.timer = setTimeout(() => this.#abandon(name, creation), this.#unclaimedMs);
  }
}
