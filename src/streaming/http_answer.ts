import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** How long a client may take to hang up after it was refused. */
const LINGER_MS = 2_000;

/** Answers an upgrade that does not take place, and hangs up, also on a client that does not. */
export function refuse(
  socket: Duplex,
  status: string,
  { text = "", headers = [] }: { readonly text?: string; readonly headers?: readonly string[] } =
    {},
): void {
  const head = [
    `HTTP/1.1 ${status}`,
    ...headers,
    "Connection: close",
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
  // With something unread the client would get a reset in place of the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}

/** Answers an upgrade that does. */
export function switchProtocols(socket: Duplex, headers: readonly string[]): void {
  const head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", ...headers];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
}
