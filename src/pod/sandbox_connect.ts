import type { Duplex } from "node:stream";
import { CridError, wrapError } from "../failure/mod.ts";
import { connectLoopback } from "../linux/mod.ts";
import type { Sandbox } from "./sandbox.ts";

/** @throws {CridError} `not_found` when the pod is stopped. */
export function requireNetwork(sandbox: Sandbox): void {
  if (!sandbox.stopped) return;
  throw new CridError("not_found", `pod sandbox ${sandbox.id} is not running`);
}

/**
 * Connects to a TCP port on the pod's loopback; of a pod on the host's network, that is the host's.
 *
 * @throws {CridError} `unavailable` when nobody listens there.
 */
export async function connectToPort(sandbox: Sandbox, port: number): Promise<Duplex> {
  requireNetwork(sandbox);
  try {
    return await connectLoopback(sandbox.parts.namespaces.network, port);
  } catch (error) {
    throw wrapError(`pod sandbox ${sandbox.id}`, error, "unavailable");
  }
}
