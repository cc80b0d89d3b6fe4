import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { type LinuxResources, updateContainer, withSharedCpus } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import { containerHandler } from "./container_handler.ts";
import type { PodContext } from "./context.ts";
import { writeFileAtomic } from "./files.ts";
import { changeSpecResources } from "./spec_resources.ts";

/**
 * Changes the limits of a created or running container; fields that are not set stay as they are.
 *
 * @throws {CridError} `failed_precondition` when it has exited, or uses more memory than it would be
 * allowed; what the runtime refuses.
 */
export function updateContainerResources(
  context: PodContext,
  container: Container,
  asked: LinuxResources,
): Promise<void> {
  return container.queue.run(async () => {
    if (container.state !== "running" && container.state !== "created") {
      throw new CridError(
        "failed_precondition",
        `update container ${container.id}: it is neither created nor running`,
      );
    }
    await checkUsage(context, container, asked.memoryLimit);
    const handler = containerHandler(context, container);
    const { cgroup } = context.specDefaults;
    const resources = {
      ...asked,
      cpusetCpus: withSharedCpus(container.spec, asked.cpusetCpus),
      // v1 has no such files, and none were asked of it when the container was made.
      unified: cgroup.version === 1 ? {} : asked.unified,
    };
    const changed = await updateContainer(handler, container.id, resources, cgroup);
    changeSpecResources(container.spec, changed);
    const spec = JSON.stringify(container.spec);
    writeFileAtomic(join(context.store.containerDir(container.id), "config.json"), spec);
  });
}

/** The kernel would kill the container to make room, or refuse with no reason (v1). */
async function checkUsage(
  { cgroups }: PodContext,
  container: Container,
  limit: number,
): Promise<void> {
  if (limit <= 0) return;
  const { cgroupParent } = container.parts.sandbox.parts;
  const stats = await cgroups.stats(cgroups.containerPath(cgroupParent, container.id));
  const usage = stats?.memory.usage ?? 0;
  if (usage <= limit) return;
  throw new CridError(
    "failed_precondition",
    `memory validation failed: cannot decrease memory limit to ${limit} bytes: ` +
      `current usage is ${usage} bytes`,
  );
}
