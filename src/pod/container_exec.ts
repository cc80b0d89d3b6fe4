import { CridError } from "../failure/mod.ts";
import { execSync } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import { containerHandler } from "./container_handler.ts";
import type { PodContext } from "./context.ts";
import type { ExecOutput } from "./types.ts";

/**
 * Runs a command in a running container and returns what it said.
 *
 * @param timeout Seconds, 0 for none.
 * @throws {CridError} `deadline_exceeded` when the time is up; all that it started is killed then.
 */
export async function execInContainer(
  context: PodContext,
  container: Container,
  command: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<ExecOutput> {
  const { id } = container;
  if (command.length === 0) {
    throw new CridError("invalid_argument", `exec in container ${id}: the command is empty`);
  }
  if (container.state !== "running" && container.state !== "created") {
    throw new CridError(
      "not_found",
      `container is not created or running: ${id} is ${container.state}`,
    );
  }
  if (container.killing) {
    throw new CridError(
      "failed_precondition",
      `cannot start exec: container ${id} is being killed`,
    );
  }
  const result = await execSync({
    id,
    handler: containerHandler(context, container),
    bundle: context.store.containerRunDir(id),
    spec: container.spec,
    args: command,
    timeout,
    signal,
  });
  if (!result.timedOut) return result;
  throw new CridError(
    "deadline_exceeded",
    `exec in container ${id}: command timed out after ${timeout} s`,
  );
}
