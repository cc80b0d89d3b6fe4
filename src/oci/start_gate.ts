import type { Buffer } from "node:buffer";
import { statSync } from "node:fs";
import { Transform } from "node:stream";
import { PIPE_BUFFER } from "./output_pipe.ts";

/** The runtime writes the pid file within milliseconds of the command's start; nothing announces it. */
const LOOK_MS = 5;
/** What is kept of a runtime's complaints. */
const MAX_COMPLAINT = 64 * 1024;

/**
 * The stderr of a runtime that becomes that of a command. What comes is held until it is known whose
 * it is: of a command that runs it passes, of a runtime that fails it is the complaint.
 */
export class StartGate extends Transform {
  readonly #pidFile: string;
  #ended = false;
  #open = false;
  #complaint = "";
  readonly #decoder = new TextDecoder();

  /** @param ended Resolves when the runtime has failed, or the command has ended. */
  constructor(pidFile: string, ended: Promise<unknown>) {
    super({ highWaterMark: PIPE_BUFFER });
    this.#pidFile = pidFile;
    const end = () => void (this.#ended = true);
    ended.then(end, end);
  }

  /** Whether the command was started; known for sure when its session has ended. */
  get started(): boolean {
    this.#open ||= hasContent(this.#pidFile);
    return this.#open;
  }

  /** What the runtime said. */
  get complaint(): string {
    return this.#complaint;
  }

  override _transform(data: Buffer, _encoding: string, done: () => void): void {
    if (this.#open || this.started) {
      this.push(data);
      return done();
    }
    if (!this.#ended) return void setTimeout(() => this._transform(data, "", done), LOOK_MS);
    if (this.#complaint.length < MAX_COMPLAINT) {
      this.#complaint += this.#decoder.decode(data, { stream: true });
    }
    done();
  }
}

function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
