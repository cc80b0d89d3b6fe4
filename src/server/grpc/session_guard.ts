import type { Server as GrpcServer } from "@grpc/grpc-js";
import type { Http2Server, ServerHttp2Session } from "node:http2";

/**
 * Keeps HTTP/2 sessions alive for as long as they are in use.
 *
 * Deno 2.9.6 frees a session the moment that it is destroyed, and destroys it while it still reads
 * the frame that was the reason: each client that says GOAWAY makes it write to freed memory, and
 * sooner or later the process dies (denoland/deno issue 36788). Destroying it one turn of the event
 * loop later is all that it takes.
 *
 * @throws {TypeError} When grpc-js keeps its servers elsewhere than the pinned version does.
 */
export function guardSessions(grpc: GrpcServer): void {
  for (const server of http2Servers(grpc)) server.on("session", destroyLater);
}

function destroyLater(session: ServerHttp2Session): void {
  const destroy = session.destroy.bind(session);
  let isAsked = false;
  session.destroy = (...reason) => {
    if (isAsked) return;
    isAsked = true;
    setImmediate(() => destroy(...reason));
  };
}

/** There is no public way to them. */
function http2Servers(grpc: GrpcServer): Iterable<Http2Server> {
  const { http2Servers } = grpc as unknown as { http2Servers: unknown };
  if (!(http2Servers instanceof Map) || http2Servers.size === 0) {
    throw new TypeError("this version of grpc-js does not keep its servers in http2Servers");
  }
  return http2Servers.keys();
}
