/**
 * The way of a blob's bytes from one isolate to another.
 *
 * The producer posts chunks as transferred buffers, so that nothing is copied. It may be ahead of the
 * consumer by {@linkcode BLOB_WINDOW} bytes; each chunk that the consumer has worked off is granted
 * again. Messages from the producer: a `Uint8Array` is a chunk, `{ end: true }` follows the last one,
 * `{ error }` ends a failed stream. Messages from the consumer: a number is a grant of bytes,
 * `{ done: true }` confirms that all was taken, `{ cancel: error }` stops the producer.
 *
 * @module
 */

import { CridError, wrapError } from "../failure/mod.ts";
import { fromWireError, toWireError, type WireError } from "./isolate_rpc.ts";
import type { BlobChannel, BlobPort } from "./types.ts";
import { watchPort } from "./watched_port.ts";

/** How far, in bytes, a producer may be ahead of its consumer. */
export const BLOB_WINDOW = 1024 * 1024;

/** A piece of a blob; who holds it owns the buffer behind it. */
export type Chunk = Uint8Array<ArrayBuffer>;

type FromProducer = Chunk | { readonly end: true } | { readonly error: WireError };
type FromConsumer = number | { readonly done: true } | { readonly cancel: WireError };

/** A channel between two isolates of this process. */
export function blobChannel(): BlobChannel {
  const { port1, port2 } = new MessageChannel();
  return {
    producer: port1,
    consumer: port2,
    [Symbol.dispose]() {
      port1.close();
      port2.close();
    },
  };
}

/** What has to be handed over with a message that has a port in it. */
export function transferOf(port: BlobPort): Transferable[] {
  return port instanceof MessagePort ? [port] : [];
}

/** @throws {CridError} `internal` for the name of a port that is somewhere else. */
function here(port: BlobPort): MessagePort {
  if (port instanceof MessagePort) return port;
  throw new CridError("internal", `port ${port.channel} of a blob is in another process`);
}

/**
 * Sends what `open` yields over `port` and resolves when the consumer has taken the last of it. The
 * buffer behind each chunk goes with it. The port is closed afterwards, whatever happens.
 *
 * @param open Starts the bytes; its signal aborts when the consumer stops, goes away, or `signal` aborts.
 * @throws {CridError} What `open` threw (the consumer is told), the consumer's reason for stopping, or
 * `unavailable` when it went away.
 */
export async function sendBlob(
  port: BlobPort,
  open: (signal: AbortSignal) => AsyncIterable<Chunk>,
  signal?: AbortSignal,
): Promise<void> {
  using watched = await watchPort(here(port));
  const stop = new AbortController();
  const done = Promise.withResolvers<void>();
  let room = Promise.withResolvers<void>();
  let window = BLOB_WINDOW;
  const onStop = () => {
    room.reject(stop.signal.reason);
    done.reject(stop.signal.reason);
  };
  room.promise.catch(() => {});
  done.promise.catch(() => {});
  stop.signal.addEventListener("abort", onStop, { once: true });
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  watched.onClose(() => stop.abort(gone("consumer")));
  watched.port.onmessage = ({ data }: MessageEvent<FromConsumer>) => {
    if (typeof data === "number") {
      window += data;
      room.resolve();
    } else if ("cancel" in data) stop.abort(fromWireError(data.cancel));
    else done.resolve();
  };
  const send = (message: FromProducer, transfer: Transferable[] = []) =>
    watched.port.postMessage(message, transfer);
  try {
    for await (const chunk of open(stop.signal)) {
      stop.signal.throwIfAborted();
      window -= chunk.buffer.byteLength;
      send(chunk, [chunk.buffer]);
      while (window <= 0) {
        room = Promise.withResolvers();
        await room.promise;
        stop.signal.throwIfAborted();
      }
    }
    stop.signal.throwIfAborted();
    send({ end: true });
    await done.promise;
  } catch (error) {
    send({ error: toWireError(error) });
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * The bytes that {@linkcode sendBlob} sends to the other end of `port`. A consumer that leaves the loop
 * stops the producer. The port is closed at the end.
 *
 * @throws {CridError} What the producer failed with, `unavailable` when it went away, `internal` when it
 * does not keep to the protocol, or `signal`'s reason.
 */
export async function* receiveBlob(
  port: BlobPort,
  signal?: AbortSignal,
): AsyncGenerator<Chunk, void, void> {
  using watched = await watchPort(here(port));
  const queue: Chunk[] = [];
  const state: { queued: number; end: "open" | "sent" | CridError } = { queued: 0, end: "open" };
  let news = Promise.withResolvers<void>();
  const finish = (how: "sent" | CridError) => {
    if (state.end === "open") state.end = how;
    news.resolve();
  };
  const onAbort = () => finish(wrapError("read the blob", signal?.reason, "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  watched.onClose(() => finish(gone("producer")));
  watched.port.onmessage = ({ data }: MessageEvent<FromProducer>) => {
    if (data instanceof Uint8Array) {
      queue.push(data);
      state.queued += data.buffer.byteLength;
      if (state.queued > 2 * BLOB_WINDOW) {
        finish(new CridError("internal", "the producer of the blob sends more than was granted"));
      }
      news.resolve();
    } else if ("end" in data) finish("sent");
    else finish(fromWireError(data.error));
  };
  let taken = false;
  try {
    while (true) {
      // After a failure the chunks that came before it are of no use.
      if (state.end instanceof CridError) throw state.end;
      const chunk = queue.shift();
      if (chunk !== undefined) {
        const size = chunk.buffer.byteLength;
        yield chunk;
        state.queued -= size;
        watched.port.postMessage(size satisfies FromConsumer);
      } else if (state.end === "sent") {
        taken = true;
        return;
      } else {
        news = Promise.withResolvers();
        await news.promise;
      }
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    const reason = state.end instanceof CridError
      ? state.end
      : new CridError("cancelled", "the consumer stopped reading");
    const last: FromConsumer = taken ? { done: true } : { cancel: toWireError(reason) };
    watched.port.postMessage(last);
  }
}

function gone(end: "consumer" | "producer"): CridError {
  return new CridError("unavailable", `the ${end} of the blob went away`);
}
