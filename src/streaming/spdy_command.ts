import type { Duplex } from "node:stream";
import { setTimeout as after } from "node:timers";
import { CridError } from "../failure/mod.ts";
import type { WantedStreams } from "../oci/mod.ts";
import type { ClientStreams } from "./command_session.ts";
import type { CommandProtocol } from "./protocols.ts";
import { followSizes } from "./resize.ts";
import { SpdyServer } from "./spdy/connection.ts";
import type { SpdyStream } from "./spdy/stream.ts";
import { statusJson, statusText } from "./status.ts";

/** Names of a command's streams, as their `streamType` header gives them. */
type StreamType = "error" | "stdin" | "stdout" | "stderr" | "resize";

export interface SpdyCommandOptions {
  readonly wanted: WantedStreams;
  readonly protocol: CommandProtocol;
  readonly openMs: number;
  readonly onData: () => void;
}

/**
 * Takes the streams of exec and attach from a client that speaks SPDY.
 *
 * @throws {CridError} When the client does not open them in time, or hangs up.
 */
export async function spdyCommand(
  socket: Duplex,
  { wanted, protocol, openMs, onData }: SpdyCommandOptions,
): Promise<ClientStreams> {
  const missing = expectedStreams(wanted, protocol);
  const streams = new Map<StreamType, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const connection = new SpdyServer(socket, {
    maxStreams: missing.size,
    onData,
    accept(stream) {
      const type = (stream.headers.get("streamtype") ?? "").toLowerCase() as StreamType;
      if (!missing.delete(type)) return false;
      streams.set(type, stream);
      if (missing.size === 0) complete.resolve();
      return true;
    },
  });
  connection.closed.then(() =>
    complete.reject(new CridError("cancelled", "the client has hung up"))
  );
  const timer = after(() => {
    connection.destroy();
    complete.reject(new CridError("deadline_exceeded", "the client opens no streams"));
  }, openMs);
  try {
    await complete.promise;
  } finally {
    clearTimeout(timer);
  }
  return clientStreams(connection, streams, protocol);
}

function expectedStreams(
  { tty, stdin, stdout, stderr }: WantedStreams,
  { version }: CommandProtocol,
): Set<StreamType> {
  const types = new Set<StreamType>(["error"]);
  if (stdin) types.add("stdin");
  if (stdout) types.add("stdout");
  if (stderr) types.add("stderr");
  if (tty && version >= 3) types.add("resize");
  return types;
}

function clientStreams(
  connection: SpdyServer,
  streams: ReadonlyMap<StreamType, SpdyStream>,
  { version }: CommandProtocol,
): ClientStreams {
  const error = streams.get("error")!;
  // Only we speak on these; what a client says there must not keep the others waiting.
  for (const type of ["error", "stdout", "stderr"] as const) streams.get(type)?.resume();
  return {
    stdin: streams.get("stdin"),
    stdout: streams.get("stdout"),
    stderr: streams.get("stderr"),
    followSizes(resize) {
      const sizes = streams.get("resize");
      if (sizes !== undefined) followSizes(sizes, resize);
    },
    gone: connection.closed,
    async finish(outcome) {
      const report = version >= 4 ? statusJson(outcome) : statusText(outcome);
      await Promise.all(
        [streams.get("stdout"), streams.get("stderr")].map((stream) => stream && ended(stream)),
      );
      error.end(report);
      await ended(error);
      await connection.close();
    },
  };
}

/** Ends a stream and waits until that is sent, or cannot be. */
function ended(stream: SpdyStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed || stream.writableFinished) return resolve();
    stream.once("close", resolve).once("finish", resolve);
    stream.end();
  });
}
