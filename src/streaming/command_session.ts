import type { Readable, Writable } from "node:stream";
import type { CommandStreams, TerminalSize } from "../oci/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { carry, carryAll } from "./carry.ts";
import type { Outcome } from "./status.ts";

/** A client's ends of a command's streams, whatever protocol they come by. */
export interface ClientStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Calls `resize` for each size of the client's terminal. */
  followSizes(resize: (size: TerminalSize) => void): void;
  /** Resolves when the client has hung up. */
  readonly gone: Promise<void>;
  /** Reports how it ended, after all that was written, and hangs up. */
  finish(outcome: Outcome): Promise<void>;
}

/**
 * Connects a client with a command until that ends, and tells the client how. A client that hangs up
 * takes its streams with it.
 *
 * @param open Starts the command.
 */
export async function serveCommand(
  client: ClientStreams,
  open: () => CommandStreams,
): Promise<void> {
  let streams: CommandStreams;
  try {
    streams = open();
  } catch (error) {
    log.debug(`stream session: ${errorMessage(error)}`);
    return await client.finish({ kind: "failed", error });
  }
  client.gone.then(() => streams.hangUp());
  client.followSizes((size) => streams.resize(size));
  if (client.stdin !== undefined && streams.stdin !== undefined) {
    carryAll(client.stdin, streams.stdin);
  }
  // A command without input, and the input it no longer takes: it is not kept from the client.
  if (streams.stdin === undefined) client.stdin?.resume();
  streams.stdin?.once("close", () => client.stdin?.resume());
  const copied = Promise.all([
    copy(streams.stdout, client.stdout),
    copy(streams.stderr, client.stderr),
  ]);
  try {
    const code = await streams.ended;
    await copied;
    await client.finish({ kind: "exited", code });
  } catch (error) {
    await client.finish({ kind: "failed", error });
  }
}

/** Copies to the end; a target that is closed closes the source, so that its writer knows. */
async function copy(source: Readable | undefined, target: Writable | undefined): Promise<void> {
  if (target === undefined) return void source?.resume();
  if (source === undefined) return void target.end();
  const { promise, resolve } = Promise.withResolvers<void>();
  // Not pipeline(): a source that is closed without an end must not take with it what it has said.
  carry(source, target);
  source.once("error", () => {});
  source.once("close", () => target.end(() => resolve()));
  target.once("close", () => {
    source.destroy();
    resolve();
  });
  await promise;
}
