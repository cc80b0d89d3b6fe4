import { CridError } from "../failure/mod.ts";
import { reopenLog } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import type { PodContext } from "./context.ts";

/**
 * Has the monitor open the log anew after a rotation; the file exists when this returns.
 *
 * @throws {CridError} `failed_precondition` when the container does not run.
 */
export async function reopenContainerLog(
  context: PodContext,
  container: Container,
): Promise<void> {
  if (container.state !== "running") {
    throw new CridError("failed_precondition", `container is not running: ${container.id}`);
  }
  await reopenLog(context.store.containerRunDir(container.id), container.parts.logPath);
}
