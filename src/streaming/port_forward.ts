import type { Duplex } from "node:stream";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { carryAll } from "./carry.ts";
import { SpdyServer } from "./spdy/connection.ts";
import type { SpdyStream } from "./spdy/stream.ts";

/** Connections at one time through one client; each is two streams. */
const MAX_CONNECTIONS = 1000;
const MAX_PORT = 65_535;

export interface PortForwardOptions {
  /** Whose ports, for messages. */
  readonly sandboxId: string;
  readonly connect: (port: number) => Promise<Duplex>;
  /** How long the second stream of a connection may take. */
  readonly openMs: number;
  readonly onData: () => void;
}

/** The two streams of one connection. */
interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Serves a client's connections to the ports of a pod until the client hangs up. */
export async function servePortForward(socket: Duplex, options: PortForwardOptions): Promise<void> {
  const pairs = new Map<string, Pair>();
  const connection = new SpdyServer(socket, {
    maxStreams: 2 * MAX_CONNECTIONS,
    onData: options.onData,
    accept(stream) {
      const type = stream.headers.get("streamtype");
      if ((type !== "data" && type !== "error") || portOf(stream) === undefined) return false;
      const key = requestId(stream, type);
      const pair = pairs.get(key) ?? begin(key);
      if (pair[type] !== undefined) return false;
      pair[type] = stream;
      const { data, error } = pair;
      if (data !== undefined && error !== undefined) {
        clearTimeout(pair.timer);
        pairs.delete(key);
        forward(data, error, options).catch((failure) => log.debug(errorMessage(failure)));
      }
      return true;
    },
  });
  const begin = (key: string): Pair => {
    const timer = setTimeout(() => {
      const pair = pairs.get(key);
      pairs.delete(key);
      pair?.data?.destroy();
      pair?.error?.destroy();
    }, options.openMs);
    const pair = { timer };
    pairs.set(key, pair);
    return pair;
  };
  await connection.closed;
  for (const { timer } of pairs.values()) clearTimeout(timer);
}

function portOf(stream: SpdyStream): number | undefined {
  const port = Number(stream.headers.get("port"));
  return Number.isInteger(port) && port > 0 && port <= MAX_PORT ? port : undefined;
}

/** Clients that give no id open the error stream first and the data stream right behind it. */
function requestId(stream: SpdyStream, type: "data" | "error"): string {
  return stream.headers.get("requestid") ||
    `stream ${type === "error" ? stream.id : stream.id - 2}`;
}

/** Serves one connection. The error stream carries text only when there is none. */
async function forward(
  data: SpdyStream,
  error: SpdyStream,
  { sandboxId, connect }: PortForwardOptions,
): Promise<void> {
  error.resume();
  const port = portOf(data)!;
  let target: Duplex;
  try {
    target = await connect(port);
  } catch (failure) {
    error.end(`error forwarding port ${port} to pod ${sandboxId}: ${errorMessage(failure)}`);
    data.resume().end();
    return;
  }
  // The client did not wait for the connection.
  if (data.destroyed) return void target.destroy();
  await bridge(data, target);
  error.end();
  // The client closes its half when it sees the end of ours; until then its data has nowhere to go.
  data.resume();
}

/** Copies both ways; each end is passed on. Resolves when the target has said all, or one is gone. */
function bridge(data: SpdyStream, target: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Clients end the whole session over a word on the error stream: one reset is not worth that.
  target.on("error", (error) => log.debug(`port-forward: ${error.message}`));
  target.once("close", () => {
    data.end();
    resolve();
  });
  target.once("end", resolve);
  data.once("close", () => target.destroy());
  carryAll(data, target);
  carryAll(target, data);
  return promise;
}
