/**
 * The CRI server: one unix socket with gRPC and the status API, handlers that only translate between
 * the wire and the domain, and the one place where errors become status codes.
 *
 * @module
 */

export { serveCri } from "./serve.ts";
export type * from "./types.ts";
