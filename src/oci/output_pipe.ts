import { type Duplex, PassThrough, type Readable } from "node:stream";

/** One output of a child process. */
export interface OutputPipe {
  /** What the child writes; it ends when the pipe does, or is closed. */
  readonly output: Readable;
  /** Closes the pipe: who still writes to it meets an error. */
  destroy(): void;
  /**
   * Waits until the pipe is at its end, or its main writer has ended and nothing more comes: what a
   * command left running in the background may hold it open. As long as the reader takes its time,
   * there is something left in it.
   *
   * @param quietMs How long nothing must come.
   */
  atEnd(quietMs?: number): Promise<void>;
}

/** How long a pipe must be silent whose main writer has ended. */
const QUIET_MS = 50;
/** Enough for one read of a pipe. */
export const PIPE_BUFFER: number = 64 * 1024;

/**
 * Takes over a pipe at once: at the child's exit Node empties what nobody reads yet.
 *
 * @param pipe Of a child that was just started.
 * @param output What the bytes go through.
 */
export function outputPipe(
  pipe: Readable,
  output: Duplex = new PassThrough({ highWaterMark: PIPE_BUFFER }),
): OutputPipe {
  pipe.on("error", () => {});
  output.on("error", () => {});
  pipe.pipe(output, { end: false });
  // Ending twice makes an error that nobody sees and that costs more than all the rest.
  const end = () => void (output.writableEnded || output.end());
  pipe.once("end", end).once("close", end);
  const closed = new Promise<void>((resolve) => {
    output.once("finish", resolve);
    output.once("close", resolve);
  });
  output.once("close", () => pipe.destroy());
  return {
    output,
    destroy: () => output.destroy(),
    async atEnd(quietMs = QUIET_MS) {
      const timer = closeWhenQuiet(pipe, quietMs);
      await closed;
      clearInterval(timer);
    },
  };
}

function closeWhenQuiet(pipe: Readable & { readonly bytesRead?: number }, quietMs: number) {
  let seen = pipe.bytesRead;
  return setInterval(() => {
    const quiet = pipe.readableLength === 0 && pipe.bytesRead === seen;
    seen = pipe.bytesRead;
    if (quiet) pipe.destroy();
  }, quietMs);
}
