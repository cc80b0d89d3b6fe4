import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { createServer as createHttpServer } from "node:http";
import type { Socket } from "node:net";
import { log } from "../observe/mod.ts";
import { ImageServiceService, RuntimeServiceService } from "../gen/runtime/v1/api.ts";
import { encodedOnce } from "./grpc/encoded_once.ts";
import { implement, type Surroundings } from "./grpc/implement.ts";
import { guardSessions } from "./grpc/session_guard.ts";
import { RunningCalls } from "./grpc/running_calls.ts";
import { type HttpSources, route } from "./http/routes.ts";
import { imageService } from "./service/images.ts";
import { runtimeService } from "./service/runtime.ts";
import { listen } from "./socket/listen.ts";
import { detectProtocol } from "./socket/protocol.ts";
import type { CriServer, CriServerOptions } from "./types.ts";

const SHUTDOWN_MS = 10_000;
const HANDSHAKE_MS = 5_000;
/** How long connections get to send what is left once all calls are answered. */
const FLUSH_MS = 500;

/**
 * Serves CRI v1 over gRPC, and the status API over HTTP/1, on one unix socket.
 *
 * @throws {CridError} `already_exists` when somebody serves there already.
 */
export async function serveCri(options: CriServerOptions): Promise<CriServer> {
  const running = new RunningCalls();
  const grpc = grpcServer(options, { running, observe: options.observe ?? (() => {}) });
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  guardSessions(grpc);
  const http = httpServer({ ...options, running });
  const connections = new Set<Socket>();

  const accept = (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    // A client that resets its connection is no news; each protocol sees the close.
    socket.on("error", (error) => log.trace(`connection lost: ${error.message}`));
    detectProtocol(socket, options.handshakeMs ?? HANDSHAKE_MS, (protocol) => {
      if (protocol === "http2") return injector.injectConnection(socket);
      // `socat` says what it has to say, hangs up on its side and waits for the answer.
      socket.allowHalfOpen = true;
      http.emit("connection", socket);
    });
  };
  const listener = await listen(options.socketPath, accept);

  let closed: Promise<void> | undefined;
  const close = async () => {
    await listener.close();
    await running.close(options.shutdownMs ?? SHUTDOWN_MS);
    // No GOAWAY: all calls are answered, and there is no more to say than the end.
    for (const socket of connections) socket.end();
    await emptied(connections, FLUSH_MS);
    for (const socket of connections) socket.destroy();
    grpc.forceShutdown();
    http.closeAllConnections();
  };
  return { close: () => closed ??= close() };
}

function grpcServer(options: CriServerOptions, surroundings: Surroundings): GrpcServer {
  const { api } = options.config();
  const server = new GrpcServer({
    "grpc.max_receive_message_length": api.grpc_max_recv_msg_size,
    "grpc.max_send_message_length": api.grpc_max_send_msg_size,
    // Its bookkeeping costs memory for each connection, and nobody can ask for it here.
    "grpc.enable_channelz": 0,
  });
  server.addService(
    RuntimeServiceService,
    implement(RuntimeServiceService, runtimeService(options), surroundings),
  );
  const imageDefinition = {
    ...ImageServiceService,
    listImages: encodedOnce(ImageServiceService.listImages),
  };
  server.addService(
    imageDefinition,
    implement(ImageServiceService, imageService(options.images), surroundings),
  );
  return server;
}

function httpServer(sources: HttpSources) {
  const server = createHttpServer(async (request, response) => {
    // Not by URL, which throws for what a client may well send.
    const [path = "/"] = (request.url ?? "/").split("?");
    const reply = await route(request.method ?? "GET", path, sources);
    const body = Buffer.from(reply.body);
    response.writeHead(reply.status, {
      "content-type": reply.contentType,
      "connection": "close",
      "content-length": body.length,
    });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  return Object.assign(server, { httpAllowHalfOpen: true });
}

/** Waits until all connections are closed, but not for ever: a client may never hang up. */
async function emptied(connections: ReadonlySet<Socket>, milliseconds: number): Promise<void> {
  const timer = Promise.withResolvers<void>();
  const id = setTimeout(timer.resolve, milliseconds);
  const all = Array.from(
    connections,
    (socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
  );
  await Promise.race([Promise.all(all), timer.promise]);
  clearTimeout(id);
}
