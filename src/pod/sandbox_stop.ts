import { join } from "@std/path";
import { errorMessage, together } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { PodContext } from "./context.ts";
import { removeContainer } from "./container_remove.ts";
import { stopContainer } from "./container_stop.ts";
import { writeFileAtomic } from "./files.ts";
import { stopInfra } from "./infra.ts";
import { unmountLogs } from "./log_links.ts";
import { namespaceFile, sandboxName } from "./names.ts";
import { unpinNamespaces } from "./namespaces.ts";
import { networkPod } from "./pod_network.ts";
import type { Sandbox } from "./sandbox.ts";
import { removeLogDirectory } from "./sandbox_create.ts";
import { unmountShm } from "./sandbox_files.ts";

/** Marks in a sandbox's directory, as CRI-O leaves them. */
export const STOPPED_MARK = "stopped";
export const NETWORK_STOPPED_MARK = "network-stopped";

/** How often the network of one pod is tried to be taken down. */
const MAX_NETWORK_FAILURES = 3;

/**
 * Stops a sandbox: its containers are killed while the network is taken down, then what they shared
 * goes. Whatever is gone already is no error; what fails is tried again by the next stop.
 */
export function stopSandbox(context: PodContext, sandbox: Sandbox): Promise<void> {
  // Before anything is queued: no container may begin in a pod that is going.
  sandbox.stopped = true;
  return sandbox.queue.run(() => tearDown(context, sandbox));
}

async function tearDown(context: PodContext, sandbox: Sandbox): Promise<void> {
  const { options } = context;
  const { id } = sandbox;
  await together(
    takeNetworkDown(context, sandbox),
    ...Array.from(sandbox.containers, (container) => stopContainer(context, container, 0)),
  );
  await stopInfra(context, sandbox);
  unmountLogs(sandbox.parts);
  await unpinNamespaces(options.namespacesDir, namespaceFile(id));
  const netns = sandbox.parts.namespaces.network;
  if (netns !== undefined) log.debug(`Removed netns path ${netns} from pod sandbox ${id}`, { id });
  if (sandbox.parts.config.security.namespaces.ipc !== "node") unmountShm(sandbox.parts.shmPath);
  leaveMark(context, id, STOPPED_MARK);
  log.info(`Stopped pod sandbox: ${id}`, { id });
  announceStop(context, sandbox);
}

/** Tells everybody once that a sandbox has stopped, by whatever came first. */
export function announceStop(context: PodContext, sandbox: Sandbox): void {
  if (sandbox.stopAnnounced) return;
  sandbox.stopAnnounced = true;
  context.emit("stopped", sandbox, sandbox);
}

/**
 * A plugin that fails is given some tries, since a retry may free the pod's addresses; one that
 * never succeeds must not keep the pod from going.
 */
async function takeNetworkDown(context: PodContext, sandbox: Sandbox): Promise<void> {
  if (sandbox.hostNetwork || sandbox.networkStopped) return;
  try {
    await context.network.tearDown(networkPod(sandbox.parts));
    log.debug(`Successfully cleaned up network for pod ${sandbox.id}`, { id: sandbox.id });
  } catch (error) {
    sandbox.networkFailures++;
    if (sandbox.networkFailures < MAX_NETWORK_FAILURES) throw error;
    log.error(
      `giving up on the network of pod sandbox ${sandbox.id} after ` +
        `${sandbox.networkFailures} tries: ${errorMessage(error)}`,
      { id: sandbox.id },
    );
  }
  sandbox.networkStopped = true;
  leaveMark(context, sandbox.id, NETWORK_STOPPED_MARK);
}

/** Removes a sandbox and all its containers, stopping what still runs; idempotent. */
export async function removeSandbox(context: PodContext, sandbox: Sandbox): Promise<void> {
  await stopSandbox(context, sandbox);
  await together(
    ...Array.from(sandbox.containers, (container) => removeContainer(context, container)),
  );
  await sandbox.queue.run(async () => {
    const { id, cgroupParent, config } = sandbox.parts;
    if (!context.sandboxes.has(id)) return;
    await context.cgroups.removeSandbox(cgroupParent, id);
    await removeLogDirectory(context, sandbox.parts);
    await context.store.deleteContainer(id);
    context.sandboxes.delete(id);
    context.names.delete(sandboxName(config.metadata));
    context.emit("deleted", sandbox, sandbox);
    log.info(`Removed pod sandbox: ${id}`, { id });
  });
}

/**
 * For a restart. A pod has stopped even where that cannot be written down: the disk is full, or somebody
 * else has removed its storage.
 */
function leaveMark({ store }: PodContext, id: string, name: string): void {
  try {
    writeFileAtomic(join(store.containerDir(id), name), "");
  } catch (error) {
    log.warn(`mark pod sandbox ${id} as ${name}: ${errorMessage(error)}`, { id });
  }
}
