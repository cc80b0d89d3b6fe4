import type { Readable } from "node:stream";

/** How often an output is looked at that a background process may hold open for ever. */
const QUIET_MS = 50;

/**
 * Waits until a pipe is at its end, or its writer has ended and nothing more comes: what the command
 * left running in the background may hold it open. Closes the stream then. As long as its reader
 * takes its time, there is something left in it.
 *
 * @param stream A pipe's end whose main writer has ended.
 * @param quietMs How long nothing must come.
 */
export function atEnd(
  stream: Readable & { readonly bytesRead?: number },
  quietMs = QUIET_MS,
): Promise<void> {
  if (stream.closed || stream.readableEnded) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = stream.bytesRead;
  const timer = setInterval(() => {
    const quiet = stream.readableLength === 0 && stream.bytesRead === seen;
    seen = stream.bytesRead;
    if (quiet) stream.destroy();
  }, quietMs);
  const end = () => {
    clearInterval(timer);
    resolve();
  };
  stream.once("end", end).once("close", end).once("error", end);
  return promise;
}
