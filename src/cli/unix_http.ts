import { request } from "node:http";
import { Buffer } from "node:buffer";
import { CridError } from "../failure/mod.ts";

/** A daemon that does not answer a status request within this time is stuck. */
const TIMEOUT_MS = 10_000;

/**
 * GET over a unix socket.
 *
 * @returns The body.
 * @throws {CridError} `unavailable` when nobody answers there, otherwise the answer's text.
 */
export function get(socket: string, path: string): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const failed = (why: string) => {
    reject(new CridError("unavailable", `ask crid at ${socket} for ${path}: ${why}`));
  };
  const call = request({ socketPath: socket, path, timeout: TIMEOUT_MS }, (response) => {
    const chunks: Uint8Array[] = [];
    response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    response.on("error", (error) => failed(error.message));
    response.on("end", () => {
      const body = Buffer.concat(chunks);
      if (response.statusCode === 200) resolve(new Uint8Array(body));
      else {
        reject(new CridError("unknown", body.toString().trim() || `HTTP ${response.statusCode}`));
      }
    });
  });
  call.on("timeout", () => call.destroy(new Error(`no answer after ${TIMEOUT_MS / 1000} s`)));
  call.on("error", (error) => failed(explain(error)));
  call.end();
  return promise;
}

function explain(error: Error & { readonly code?: string }): string {
  switch (error.code) {
    case "ENOENT":
      return "no such socket; is crid running? --socket names another";
    case "ECONNREFUSED":
      return "nobody serves this socket; is crid running?";
    case "EACCES":
      return "permission denied; it takes root";
    default:
      return error.message;
  }
}
