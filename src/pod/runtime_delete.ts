import { log } from "../observe/mod.ts";
import { deleteContainer, type RuntimeHandler } from "../oci/mod.ts";
import type { PodContext } from "./context.ts";

/**
 * Kills what is left of a container and makes its runtime forget it. Without a handler, which somebody has
 * taken out of the configuration, nobody can be asked to: its processes are killed all the same.
 */
export async function deleteFromRuntime(
  { cgroups }: PodContext,
  handler: RuntimeHandler | undefined,
  cgroupParent: string,
  id: string,
): Promise<void> {
  if (handler !== undefined) return await deleteContainer(handler, id);
  log.warn(`Container ${id} is killed without its runtime, which is configured no more`, { id });
  await cgroups.kill(cgroups.containerPath(cgroupParent, id));
}
