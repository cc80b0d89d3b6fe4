/**
 * Tells what the demo does: one line per step with the time it took, updated in place on a terminal.
 *
 * @module
 */

import { abortable } from "../../src/failure/mod.ts";

const encoder = new TextEncoder();
const NAME_WIDTH = 28;
/** How often the line of a running step is drawn again: fast enough to look alive. */
const TICK_MS = 80;
const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** What a step hands back: its result and what is told of it. */
export interface Told<Result> {
  readonly result: Result;
  /** At the end of the step's line. */
  readonly note?: string;
  /** Below it, as it is. */
  readonly shown?: string;
}

/** Draws the steps of one demo. */
export class Narrator {
  readonly #live = Deno.stdout.isTerminal();
  readonly #stopped: AbortSignal;

  /** @param stopped Ends the running step, and all that would follow. */
  constructor(stopped: AbortSignal) {
    this.#stopped = stopped;
  }

  /** A line between steps. */
  say(text = ""): void {
    this.#write(`${text}\n`);
  }

  /** Something of more than a line, indented. */
  show(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.say(`      ${this.#dim(line)}`);
  }

  /**
   * Runs one step and writes its line: name, time and note.
   *
   * @param progress Asked for again and again while the step runs, on a terminal only.
   */
  async step<Result>(
    name: string,
    work: () => Promise<Told<Result>>,
    progress: () => Promise<string> = () => Promise.resolve(""),
  ): Promise<Result> {
    this.#stopped.throwIfAborted();
    const start = performance.now();
    const ticker = this.#live ? this.#tick(name, start, progress) : undefined;
    try {
      const { result, note = "", shown } = await abortable(work(), this.#stopped);
      await ticker?.stop();
      this.say(this.#line(this.#colour(32, "✓"), name, performance.now() - start, note));
      if (shown !== undefined) this.show(shown);
      return result;
    } catch (error) {
      await ticker?.stop();
      this.say(this.#line(this.#colour(31, "✗"), name, performance.now() - start, ""));
      throw error;
    }
  }

  #tick(name: string, start: number, progress: () => Promise<string>): { stop(): Promise<void> } {
    const stopped = Promise.withResolvers<void>();
    let running = true;
    const draw = async () => {
      for (let frame = 0; running; frame++) {
        const note = await progress().catch(() => "");
        if (!running) break;
        const mark = SPINNER[frame % SPINNER.length]!;
        this.#write(`\r\x1b[2K${this.#line(mark, name, performance.now() - start, note)}`);
        await Promise.race([stopped.promise, new Promise((next) => setTimeout(next, TICK_MS))]);
      }
      this.#write("\r\x1b[2K");
    };
    const drawing = draw();
    return {
      stop: async () => {
        running = false;
        stopped.resolve();
        await drawing;
      },
    };
  }

  #line(mark: string, name: string, milliseconds: number, note: string): string {
    return `  ${mark} ${name.padEnd(NAME_WIDTH)} ${duration(milliseconds).padStart(8)}   ${note}`;
  }

  #dim(text: string): string {
    return this.#colour(2, text);
  }

  #colour(code: number, text: string): string {
    return this.#live && !Deno.noColor ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  #write(text: string): void {
    for (let bytes = encoder.encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
  }
}

/** `37 ms`, `1.2 s` */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(1, Math.round(milliseconds))} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** `1.5 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
