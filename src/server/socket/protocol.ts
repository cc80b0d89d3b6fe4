import type { Socket } from "node:net";
import { Buffer } from "node:buffer";

/** What every HTTP/2 connection begins with: RFC 9113, section 3.4. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/**
 * End of an HTTP/1 request's head: RFC 9112, sections 2.1 and 2.2. Who types a request, or has a shell's
 * `echo` type it, ends lines with LF alone.
 */
const HEAD_END = /\n\r?\n/;
/** Bytes of the largest head that is read; the status API needs a hundred or two. */
const MAX_HEAD = 16_384;

/** What a client speaks, or `refused` when it is neither. */
export type Protocol = "http1" | "http2" | "refused";

/**
 * Looks at the first bytes of a connection without taking them, and hands it on as soon as a whole
 * HTTP/2 preface or HTTP/1 head is there. A client that takes longer than `milliseconds` is cut off:
 * it would hold a file descriptor for ever.
 */
export function detectProtocol(
  socket: Socket,
  milliseconds: number,
  found: (protocol: Exclude<Protocol, "refused">) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), milliseconds);
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("close", stop);
  };
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    stop();
    if (protocol === "refused") {
      socket.destroy();
    } else {
      socket.unshift(protocol === "http1" ? withWholeLineEnds(seen) : seen);
      found(protocol);
    }
  };
  socket.on("readable", onReadable);
  socket.on("close", stop);
}

/** `undefined` while more bytes are needed to tell. */
export function protocolOf(bytes: Uint8Array): Protocol | undefined {
  const seen = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = seen.subarray(0, PREFACE.length);
  if (start.equals(PREFACE.subarray(0, start.length))) {
    return start.length === PREFACE.length ? "http2" : undefined;
  }
  if (HEAD_END.test(seen.toString("latin1"))) return "http1";
  return seen.length > MAX_HEAD ? "refused" : undefined;
}

/** Node's parser of HTTP refuses heads whose lines end with LF alone. */
function withWholeLineEnds(request: Buffer): Buffer {
  const text = request.toString("latin1");
  const end = HEAD_END.exec(text);
  if (end === null) return request;
  const length = end.index + end[0].length;
  const head = text.slice(0, length).replaceAll(/\r?\n/g, "\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), request.subarray(length)]);
}
