import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
// @ts-types="@types/ws"
import { createWebSocketStream } from "ws";
import type { CommandStreams } from "../oci/mod.ts";
import { type ClientStreams, serveCommand } from "./command_session.ts";
import { DetachKeys } from "./detach_keys.ts";
import { refuse, switchProtocols } from "./http_answer.ts";
import { IdleWatch } from "./idle.ts";
import { servePortForward } from "./port_forward.ts";
import {
  chooseSpdyProtocol,
  chooseWebSocketProtocol,
  listHeader,
  PORT_FORWARD_PROTOCOL,
  TUNNEL_PROTOCOL,
} from "./protocols.ts";
import { spdyCommand } from "./spdy_command.ts";
import type { StreamRequest, StreamSources } from "./types.ts";
import { upgradeToWebSocket } from "./websocket.ts";
import { webSocketCommand } from "./websocket_command.ts";

/** One client's session. */
export interface Session {
  readonly request: StreamRequest;
  readonly sources: StreamSources;
  readonly idleMs: number;
  readonly openMs: number;
}

type CommandRequest = Exclude<StreamRequest, { readonly kind: "portforward" }>;

const PROTOCOL_HEADER = "X-Stream-Protocol-Version";
const FALLBACK = "channel.k8s.io";

/** Serves a client from its upgrade on until the session is over. */
export async function serveSession(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  session: Session,
): Promise<void> {
  using idle = new IdleWatch(session.idleMs, () => socket.destroy());
  const onData = () => idle.touch();
  const upgrade = message.headers.upgrade?.toLowerCase();
  const speaks = upgrade === "websocket" ? serveWebSocket : upgrade === "spdy/3.1" && serveSpdy;
  if (!speaks) {
    return refuse(socket, "400 Bad Request", {
      text: "unable to upgrade: only SPDY/3.1 and websocket are served\n",
    });
  }
  await speaks(message, socket, head, { ...session, onData });
}

/** A session whose data is noticed. */
interface LiveSession extends Session {
  readonly onData: () => void;
}

async function serveSpdy(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  session: LiveSession,
): Promise<void> {
  const { request } = session;
  const offered = listHeader(message.headers[PROTOCOL_HEADER.toLowerCase()]);
  const accept = (protocol: string) => {
    const chosen = offered.length === 0 ? [] : [`${PROTOCOL_HEADER}: ${protocol}`];
    switchProtocols(socket, ["Upgrade: SPDY/3.1", ...chosen]);
    if (head.length > 0) socket.unshift(head);
  };
  if (request.kind === "portforward") {
    if (offered.length > 0 && !offered.includes(PORT_FORWARD_PROTOCOL)) {
      return refuseProtocols(socket, offered, PORT_FORWARD_PROTOCOL);
    }
    accept(PORT_FORWARD_PROTOCOL);
    return await forwardPorts(socket, request.id, session);
  }
  const protocol = chooseSpdyProtocol(offered.length === 0 ? [FALLBACK] : offered);
  if (protocol === undefined) return refuseProtocols(socket, offered, "v5.channel.k8s.io");
  accept(protocol.name);
  const { openMs, onData } = session;
  const client = await spdyCommand(socket, { wanted: request, protocol, openMs, onData });
  await connectCommand(client, request, session);
}

async function serveWebSocket(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  session: LiveSession,
): Promise<void> {
  const { request, onData } = session;
  const offered = listHeader(message.headers["sec-websocket-protocol"]);
  if (request.kind === "portforward") {
    if (!offered.includes(TUNNEL_PROTOCOL)) {
      return refuseProtocols(socket, offered, TUNNEL_PROTOCOL);
    }
    const webSocket = await upgradeToWebSocket(message, socket, head, TUNNEL_PROTOCOL);
    const tunnel = createWebSocketStream(webSocket);
    tunnel.on("error", () => {});
    return await forwardPorts(tunnel, request.id, session);
  }
  const protocol = chooseWebSocketProtocol(offered.length === 0 ? [FALLBACK] : offered);
  if (protocol === undefined) return refuseProtocols(socket, offered, "v5.channel.k8s.io");
  const name = offered.length === 0 ? "" : protocol.name;
  const webSocket = await upgradeToWebSocket(message, socket, head, name);
  await connectCommand(webSocketCommand(webSocket, request, protocol, onData), request, session);
}

function refuseProtocols(socket: Duplex, offered: readonly string[], best: string): void {
  refuse(socket, "403 Forbidden", {
    headers: [`X-Accepted-Stream-Protocol-Versions: ${best}`],
    text: `unable to upgrade: client offers ${JSON.stringify(offered)}, server accepts ${best}\n`,
  });
}

async function forwardPorts(
  socket: Duplex,
  sandboxId: string,
  { sources, openMs, onData }: LiveSession,
): Promise<void> {
  const connect = (port: number) => sources.connect(sandboxId, port);
  await servePortForward(socket, { sandboxId, connect, openMs, onData });
}

async function connectCommand(
  client: ClientStreams,
  request: CommandRequest,
  { sources }: Session,
): Promise<void> {
  if (request.kind === "exec") {
    const { id, command } = request;
    return await serveCommand(client, () => sources.exec(id, command, request));
  }
  const attach = () => sources.attach(request.id, request);
  const { stdin } = client;
  if (!request.tty || stdin === undefined) return await serveCommand(client, attach);
  let attached: CommandStreams | undefined;
  const keys = new DetachKeys(() => attached?.hangUp());
  await serveCommand({ ...client, stdin: stdin.pipe(keys) }, () => attached = attach());
}
