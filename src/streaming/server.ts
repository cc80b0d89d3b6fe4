import type { Buffer } from "node:buffer";
import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorMessage, wrapError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { refuse } from "./http_answer.ts";
import { serveSession, type Session } from "./session.ts";
import { enforceSuites, followCertificate, readTls } from "./tls.ts";
import { Tokens } from "./tokens.ts";
import type { StreamRequest, StreamServer, StreamServerOptions } from "./types.ts";

const IDLE_MS = 4 * 60 * 60 * 1000;
const TOKEN_MS = 60_000;
const OPEN_MS = 30_000;
/** A client sends its request at once; only for that is it waited. */
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
const MAX_REQUEST_HEAD = 16 * 1024;
/** Connections at one time, those that have not asked for anything yet among them. */
const MAX_CONNECTIONS = 4096;

/**
 * Serves the streams of exec, attach and port-forward to clients that come with a token.
 *
 * @throws {CridError} When the address cannot be bound or a certificate cannot be read.
 */
export async function serveStreams(options: StreamServerOptions): Promise<StreamServer> {
  await using resources = new AsyncDisposableStack();
  const server = makeServer(options, resources);
  const tokens = resources.use(new Tokens<StreamRequest>(options.tokenMs ?? TOKEN_MS));
  const sockets = new Set<Duplex>();
  resources.defer(() => sockets.forEach((socket) => socket.destroy()));
  const session: Omit<Session, "request"> = {
    sources: options.sources,
    idleMs: options.idleMs ?? IDLE_MS,
    openMs: options.openMs ?? OPEN_MS,
  };

  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", (error) => log.trace(`streaming connection lost: ${error.message}`));
    socket.setNoDelay(true);
    // A client whose machine is gone says nothing, and is not waited for until the idle timeout.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  });
  const take = (message: IncomingMessage) => {
    const { kind, token } = parsePath(message.url ?? "");
    const request = token === "" ? undefined : tokens.take(token);
    return request?.kind === kind && isMethod(message.method) ? request : undefined;
  };
  server.on("request", (message, response) => {
    const status = take(message) === undefined ? 404 : 400;
    response.writeHead(status, { "connection": "close", "content-length": 0 }).end();
  });
  server.on("upgrade", (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => {});
    const request = take(message);
    if (request === undefined) return refuse(socket, "404 Not Found");
    serveSession(message, socket, head, { ...session, request }).catch((error) => {
      log.debug(`stream of ${request.id}: ${errorMessage(error)}`, { id: request.id });
      socket.destroy();
    });
  });
  const port = await listen(server, options);
  resources.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const rest = resources.move();
  const base = `${options.tls === undefined ? "http" : "https"}://${
    urlHost(options.address)
  }:${port}`;
  return {
    port,
    offer: (request) => `${base}/${request.kind}/${tokens.offer(request)}`,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function makeServer({ tls }: StreamServerOptions, resources: AsyncDisposableStack): Server {
  const limits = {
    maxHeaderSize: MAX_REQUEST_HEAD,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: 1,
  };
  if (tls === undefined) return limited(createHttpServer(limits));
  log.debug("TLS enabled for streaming server");
  const server = createHttpsServer({ ...limits, ...readTls(tls) });
  enforceSuites(server, tls);
  resources.use(followCertificate(server, tls));
  server.on("tlsClientError", (error) => log.debug(`streaming TLS client: ${error.message}`));
  return limited(server);
}

function limited<S extends Server>(server: S): S {
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** @throws {CridError} With what the system says. */
async function listen(server: Server, options: StreamServerOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.port, options.address === "" ? "0.0.0.0" : options.address, resolve);
  try {
    await promise;
  } catch (error) {
    throw wrapError(`serve streams on ${options.address}:${options.port}`, error, "unavailable");
  }
  server.off("error", reject);
  server.on("error", (error) => log.error(`streaming server: ${error.message}`));
  return (server.address() as AddressInfo).port;
}

/** Clients are on this host: where all addresses are served, that is loopback. */
function urlHost(address: string): string {
  if (address === "" || address === "0.0.0.0") return "127.0.0.1";
  if (address === "::") return "[::1]";
  return address.includes(":") ? `[${address}]` : address;
}

/** `/exec/<token>` and the like. */
function parsePath(path: string): { readonly kind: string; readonly token: string } {
  const match = /^\/(exec|attach|portforward)\/([\w-]+)$/.exec(path);
  return { kind: match?.[1] ?? "", token: match?.[2] ?? "" };
}

function isMethod(method: string | undefined): boolean {
  return method === "GET" || method === "POST";
}
