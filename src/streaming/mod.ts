/**
 * Exec, attach and port-forward for clients that connect by themselves: SPDY/3.1 and WebSocket, in
 * the protocols of Kubernetes' remotecommand and port-forward.
 *
 * @module
 */

export { serveStreams } from "./server.ts";
export type * from "./types.ts";
