import type { Socket } from "node:net";
import { Buffer } from "node:buffer";

/** What every HTTP/2 connection begins with: RFC 9113, section 3.4. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** What a client speaks. */
export type Protocol = "http1" | "http2";

/**
 * Looks at the first bytes of a connection without taking them, and hands it on. A client that does
 * not say within `milliseconds` what it speaks is cut off: it would hold a file descriptor for ever.
 */
export function detectProtocol(
  socket: Socket,
  milliseconds: number,
  found: (protocol: Protocol) => void,
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
    socket.unshift(seen);
    found(protocol);
  };
  socket.on("readable", onReadable);
  socket.on("close", stop);
}

/** `undefined` while the bytes could still become either. */
export function protocolOf(bytes: Uint8Array): Protocol | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, PREFACE.length));
  if (!start.equals(PREFACE.subarray(0, start.length))) return "http1";
  return start.length === PREFACE.length ? "http2" : undefined;
}
