import { forgetMonitor } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container } from "./container.ts";
import { findContainerHandler } from "./container_handler.ts";
import { stopContainer } from "./container_stop.ts";
import type { PodContext } from "./context.ts";
import { releaseImageVolumes } from "./image_volumes.ts";
import { unlinkLog } from "./log_links.ts";
import { removeMonitorCgroup } from "./monitor_cgroup.ts";
import { containerName } from "./names.ts";
import { monitorEnd } from "./process_end.ts";
import { deleteFromRuntime } from "./runtime_delete.ts";

/** Removes a container and all that it has on the host, killing it first if it runs; idempotent. */
export async function removeContainer(context: PodContext, container: Container): Promise<void> {
  await stopContainer(context, container, 0);
  await container.queue.run(async () => {
    if (container.removed) return;
    // Somebody who has asked for its status may have noticed its end, and be writing that down.
    await container.settled;
    const { id } = container;
    const { sandbox, config } = container.parts;
    const { cgroupParent } = sandbox.parts;
    const handler = findContainerHandler(context, container);
    await deleteFromRuntime(context, handler, cgroupParent, id);
    await context.cgroups.remove(context.cgroups.containerPath(cgroupParent, id));
    await releaseImageVolumes(context, id);
    await unlinkLog(container);
    // The last thing that the monitor does is to write the exit file.
    await monitorEnd(container.monitor);
    await removeMonitorCgroup(context, sandbox.parts, id, handler);
    await forgetMonitor(context.options, id);
    await context.store.deleteContainer(id);
    container.removed = true;
    sandbox.containers.delete(container);
    context.containers.delete(id);
    context.names.delete(containerName(config.metadata, sandbox.parts.config.metadata));
    context.emit("deleted", sandbox, container);
    log.info(`Removed container ${id}`, { id });
  });
}
