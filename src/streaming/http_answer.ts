import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** Answers an upgrade that does not take place, and hangs up. */
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
}

/** Answers an upgrade that does. */
export function switchProtocols(socket: Duplex, headers: readonly string[]): void {
  const head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", ...headers];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
}
