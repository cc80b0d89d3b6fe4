/** Where whole lines of the log go. */
export interface LogSink {
  /** Never throws: a log that cannot be written is no reason to fail. */
  write(line: string): void;
}

const encoder = new TextEncoder();

/** Standard error. A line is written at once, so that isolates do not mix theirs. */
export const stderrSink: LogSink = {
  write: (line) => writeWhole((bytes) => Deno.stderr.writeSync(bytes), line),
};

/**
 * A file that is appended to and made when missing.
 *
 * @throws {Error} when it cannot be opened.
 */
export function fileSink(path: string): LogSink & Disposable {
  const file = openLog(path);
  return {
    write: (line) => writeWhole((bytes) => file.writeSync(bytes), line),
    [Symbol.dispose]: () => file.close(),
  };
}

function openLog(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, append: true, mode: 0o666 });
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new Error(`open log file ${path}: ${why}`, { cause: error });
  }
}

function writeWhole(write: (bytes: Uint8Array) => number, line: string): void {
  let rest = encoder.encode(line);
  try {
    while (rest.length > 0) rest = rest.subarray(write(rest));
  } catch {
    // The reader is gone, or the disk is full. There is no other place to say so.
  }
}

/** How a Worker logs: plain data and a port, for its first message. */
export interface WorkerLog {
  readonly level: string;
  readonly format: "text" | "json";
  readonly filter: string;
  /** Set when the log is a file, which the Worker may not write: it sends lines here. */
  readonly port?: MessagePort;
}

/** A sink that hands lines to the isolate that holds the other end of `port`. */
export function portSink(port: MessagePort): LogSink {
  return { write: (line) => port.postMessage(line) };
}

/** Makes a port for {@linkcode portSink}; lines that come through it are written to `sink`. */
export function relayTo(sink: LogSink): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    // The other side parses bytes from strangers: no more than one line, whatever it sends.
    if (typeof data === "string") sink.write(data.replace(/\n(?!$)/g, " "));
  };
  return port2;
}
