import { errorMessage } from "./crid_error.ts";

/** One step that takes something back, and its name for the log. */
interface Step {
  readonly name: string;
  readonly undo: () => void | Promise<void>;
}

/**
 * The way back out of something half made. Each step that succeeds adds how to undo it; when a later
 * one fails, leaving the `await using` block undoes all of them in reverse. {@linkcode Unwind.keep}
 * says that the whole is made and nothing is to be undone.
 *
 * ```ts
 * await using unwind = new Unwind((name, error) => log.warn(`undo ${name}: ${error}`));
 * await mount(path);
 * unwind.add("mount", () => unmount(path));
 * unwind.keep();
 * ```
 *
 * A step that fails is reported and the others still run: a leak of one thing is no reason to leak
 * the rest.
 */
export class Unwind implements AsyncDisposable {
  #steps: Step[] = [];
  readonly #report: (step: string, error: string, undo: Step["undo"]) => void;

  /** @param report Told of each step that failed, and how to try it again. */
  constructor(report: (step: string, error: string, undo: Step["undo"]) => void) {
    this.#report = report;
  }

  /** Adds how to take back what was just made. */
  add(name: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ name, undo });
  }

  /** The whole is made: forget the way back. */
  keep(): void {
    this.#steps = [];
  }

  /** Undoes every step, the last one first; never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    const steps = this.#steps.reverse();
    this.#steps = [];
    for (const step of steps) {
      try {
        await step.undo();
      } catch (error) {
        this.#report(step.name, errorMessage(error), step.undo);
      }
    }
  }
}
