import type { Readable, Writable } from "node:stream";

/** Which of a command's streams somebody wants. */
export interface WantedStreams {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The streams of a command in a container. Whoever has them reads the outputs to their end, or
 * destroys them: a command whose output nobody reads waits.
 */
export interface CommandStreams {
  /** Ending it is the command's end of input. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  /** A terminal has none. */
  readonly stderr: Readable | undefined;
  /** Sets the terminal's size; without a terminal it means nothing. */
  resize(size: TerminalSize): void;
  /**
   * The exit code, when the command has ended and all it wrote has been read; of an attachment 0.
   *
   * @throws {CridError} (as a rejection) when the streams ended for another reason.
   */
  readonly ended: Promise<number>;
  /**
   * The client has gone: closes the streams. A command on a terminal gets SIGHUP, another one meets
   * the end of its input and broken pipes; what needs neither goes on. Attaching just ends.
   */
  hangUp(): void;
  /** Ends the command at once. An attachment only lets go of the container. */
  kill(): void;
}
