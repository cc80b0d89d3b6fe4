import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { CridError } from "../failure/mod.ts";
// @ts-types="@types/ws"
import { type WebSocket, WebSocketServer } from "ws";

/** Clients send what they have read at once, 32 kB as a rule. */
const MAX_MESSAGE = 1024 * 1024;
/** Answers to pings that wait for a client who does not read. */
const MAX_UNSENT = 256 * 1024;

/**
 * Answers the handshake of a WebSocket, which is paused then.
 *
 * @param protocol The subprotocol that was chosen; `""` for none.
 * @throws {CridError} `cancelled` after a handshake that was wrong, when that has been answered.
 */
export function upgradeToWebSocket(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Streams are not text: compressing them costs memory and time for nothing.
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
  });
  // Not left to the library: a name with a slash, as Kubernetes has, is none in its eyes.
  delete message.headers["sec-websocket-protocol"];
  if (protocol !== "") {
    server.on("headers", (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  }
  return new Promise((resolve, reject) => {
    socket.once("close", () => reject(new CridError("cancelled", "the client has hung up")));
    server.handleUpgrade(message, socket, head, (webSocket) => {
      webSocket.on("error", () => webSocket.terminate());
      webSocket.on("ping", () => {
        if (socket.writableLength > MAX_UNSENT) webSocket.terminate();
      });
      // What comes before somebody listens would be lost.
      webSocket.pause();
      resolve(webSocket);
    });
  });
}
