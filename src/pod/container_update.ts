import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { type LinuxResources, updateContainer } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import { annotateResources } from "./container_record.ts";
import { handlerNamed, type PodContext } from "./context.ts";
import { writeFileAtomic } from "./files.ts";

/**
 * Changes the limits of a created or running container; fields that are not set stay as they are.
 *
 * @throws {CridError} `failed_precondition` when it has exited; what the runtime refuses.
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
    const handler = handlerNamed(context, container.parts.sandbox.parts.runtimeHandler);
    const resources = merged(container.resources, asked);
    await updateContainer(handler, container.id, asked);
    container.resources = resources;
    annotateResources(container.spec, resources);
    const spec = JSON.stringify(container.spec);
    await writeFileAtomic(join(context.store.containerDir(container.id), "config.json"), spec);
  });
}

/** CRI's zero values mean "leave it". */
function merged(before: LinuxResources | undefined, asked: LinuxResources): LinuxResources {
  if (before === undefined) return asked;
  return {
    cpuPeriod: asked.cpuPeriod || before.cpuPeriod,
    cpuQuota: asked.cpuQuota || before.cpuQuota,
    cpuShares: asked.cpuShares || before.cpuShares,
    memoryLimit: asked.memoryLimit || before.memoryLimit,
    memorySwapLimit: asked.memorySwapLimit || before.memorySwapLimit,
    oomScoreAdj: before.oomScoreAdj,
    cpusetCpus: asked.cpusetCpus || before.cpusetCpus,
    cpusetMems: asked.cpusetMems || before.cpusetMems,
    hugepageLimits: asked.hugepageLimits.length > 0 ? asked.hugepageLimits : before.hugepageLimits,
    unified: { ...before.unified, ...asked.unified },
  };
}
