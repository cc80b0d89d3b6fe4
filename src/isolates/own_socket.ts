import { Buffer } from "node:buffer";
import { request } from "node:http";

/**
 * Asks a server over its own socket, as any client would, so that everything between has to work.
 *
 * @throws When there is no good answer within `timeoutMs`.
 */
export function askSocket(socketPath: string, path: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const signal = AbortSignal.timeout(timeoutMs);
  const call = request({ socketPath, path, agent: false, signal }, (response) => {
    const chunks: Uint8Array[] = [];
    response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
      else reject(new Error(`${socketPath} answers ${response.statusCode}`));
    });
  });
  call.on("error", reject);
  call.end();
  return promise;
}
