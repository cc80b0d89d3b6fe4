import { join } from "@std/path";
import { deadline, errorMessage } from "../failure/mod.ts";
import type { NetworkResult } from "../network/mod.ts";
import { isAlive, type OciSpec } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { ContainerRecord } from "../storage/mod.ts";
import { Container } from "./container.ts";
import { followMonitor, reconcile } from "./container_exit.ts";
import { readContainer, readState } from "./container_record.ts";
import { noticeStart } from "./container_start.ts";
import { findHandler, type PodContext } from "./context.ts";
import { discardContainer, discardSandbox } from "./discard.ts";
import { readSavedFile } from "./files.ts";
import { restoreImageVolumes } from "./image_volumes.ts";
import { containerName, sandboxName } from "./names.ts";
import { isPinned } from "./namespaces.ts";
import { networkPod } from "./pod_network.ts";
import { processEnd } from "./process_end.ts";
import { Sandbox, type SandboxParts } from "./sandbox.ts";
import { PLAN, readSandbox, readStoreMetadata, type StoreMetadata } from "./sandbox_record.ts";
import { NETWORK_STOPPED_MARK, STOPPED_MARK } from "./sandbox_stop.ts";

/** How long a start waits for what a runtime says of one container. */
const RUNTIME_PATIENCE_MS = 2_000;
/** Of a sandbox whose infra container was only half made. */
const NOTHING_SAVED = { init: undefined, monitor: undefined };

/** A record in the store that is a pod's or a container's. */
interface Owned {
  readonly record: ContainerRecord;
  readonly metadata: StoreMetadata;
}

/** What is known of sandboxes that could not be restored, by id: their containers go as well. */
type Discarded = Map<string, SandboxParts>;

/**
 * Brings back every pod and container that the store knows, as an earlier crid or CRI-O left them:
 * state files are compared with the processes, exits in between are settled, and what was only half
 * made is taken away.
 */
export async function restore(context: PodContext): Promise<void> {
  const owned: Owned[] = [];
  for (const record of await context.store.containers()) {
    const metadata = readStoreMetadata(record.metadata);
    if (metadata !== undefined) owned.push({ record, metadata });
  }
  const [pods, containers] = [owned.filter(isPod), owned.filter((one) => !isPod(one))];
  const discarded: Discarded = new Map();
  const networks = context.network.cachedResults();
  for (const pod of pods) restoreSandbox(context, pod, networks, discarded);
  await Promise.all(containers.map((one) => restoreContainer(context, one, discarded)));
  const restored = Array.from(context.sandboxes.values(), ({ parts }) => parts);
  const known = [...restored, ...discarded.values()];
  // Nobody waits for it but those who want a network.
  context.network.collectGarbage(known.map(networkPod)).catch((error) => {
    log.warn(`collect the garbage of pod networks: ${errorMessage(error)}`);
  });
  if (owned.length > 0) {
    log.info(`Restored ${pods.length} pod sandboxes and ${containers.length} containers`);
  }
}

function isPod(owned: Owned): boolean {
  return owned.metadata.pod === true;
}

function restoreSandbox(
  context: PodContext,
  { record, metadata }: Owned,
  networks: ReadonlyMap<string, NetworkResult>,
  discarded: Discarded,
): void {
  const { store } = context;
  const { id } = record;
  const directory = store.containerDir(id);
  let parts: SandboxParts | undefined;
  try {
    const plan = readSavedFile(join(directory, PLAN));
    const text = plan ?? readSavedFile(join(directory, "config.json"));
    if (text !== undefined) parts = readSandbox(text, record.labels);
    if (plan !== undefined || parts === undefined) throw new Error("it was only half made");
    const sandbox = new Sandbox(parts);
    warnOfHandler(context, sandbox);
    sandbox.stopped = readSavedFile(join(directory, STOPPED_MARK)) !== undefined;
    sandbox.networkStopped = readSavedFile(join(directory, NETWORK_STOPPED_MARK)) !== undefined;
    sandbox.ips = networks.get(id)?.ips ?? [];
    if (sandbox.parts.hasInfra) {
      const state = readSavedFile(join(directory, "state.json"));
      const { init, monitor } = state === undefined ? NOTHING_SAVED : readState(state);
      sandbox.infraMonitor = monitor;
      if (init !== undefined && isAlive(init)) sandbox.infra = init;
      else sandbox.stopped = true;
    }
    // After a reboot the record is there and the namespaces are not.
    const pinned = Object.values(parts.namespaces).every(isPinned);
    if (!pinned) sandbox.stopped = true;
    sandbox.stopAnnounced = sandbox.stopped;
    sandbox.visible = true;
    context.sandboxes.add(sandbox);
    context.names.set(sandboxName(sandbox.parts.config.metadata), id);
  } catch (error) {
    log.warn(`cannot restore pod sandbox ${id}, removing it: ${errorMessage(error)}`, { id });
    if (parts !== undefined) discarded.set(id, parts);
    discardSandbox(context, id, metadata, parts);
  }
}

/** A mistake in the configuration is no reason to kill what runs. */
function warnOfHandler(context: PodContext, { id, parts: { handler } }: Sandbox): void {
  if (findHandler(context, handler) !== undefined) return;
  log.warn(
    `Pod sandbox ${id} was run by handler "${handler}", which is configured no more: its containers ` +
      "can be stopped and removed, and that is all",
    { id },
  );
}

async function restoreContainer(
  context: PodContext,
  { record, metadata }: Owned,
  discarded: Discarded,
): Promise<void> {
  const { store } = context;
  const { id } = record;
  const directory = store.containerDir(id);
  try {
    restoreImageVolumes(context, id);
    const sandbox = context.sandboxes.find(metadata["pod-id"]);
    if (sandbox === undefined) throw new Error("its pod sandbox is gone");
    const specText = readSavedFile(join(directory, "config.json"));
    const stateText = readSavedFile(join(directory, "state.json"));
    if (specText === undefined || stateText === undefined) throw new Error("it was only half made");
    const spec = JSON.parse(specText) as OciSpec;
    const container = new Container(readContainer(spec, sandbox), spec);
    const state = readState(stateText);
    container.init = state.init;
    container.monitor = state.monitor;
    container.startedAt = state.startedAt;
    container.paused = state.paused;
    container.visible = true;
    if (state.exit !== undefined) container.settle(state.exit);
    sandbox.containers.add(container);
    context.containers.add(container);
    context.names.set(
      containerName(container.parts.config.metadata, sandbox.parts.config.metadata),
      id,
    );
    await reconcile(context, container);
    restoreMonitor(context, container);
    await askWhetherStarted(context, container);
  } catch (error) {
    log.warn(`cannot restore container ${id}, removing it: ${errorMessage(error)}`, { id });
    const sandbox = context.sandboxes.find(metadata["pod-id"])?.parts;
    discardContainer(context, id, metadata, sandbox ?? discarded.get(metadata["pod-id"]));
  }
}

/** A container without its monitor runs on, but its output and its exit code are lost. */
function restoreMonitor(context: PodContext, container: Container): void {
  const { id, exit, init, monitor } = container;
  if (exit !== undefined || init === undefined) return;
  if (monitor === undefined) {
    log.debug(`Skipping loading conmon process for container ${id}: it is not recorded`, { id });
  } else if (!isAlive(monitor)) {
    log.error(`Failed to load conmon process for container ${id}: it has ended`, { id });
  } else followMonitor(context, container, processEnd(monitor, context.closing));
}

/** A runtime that hangs must not keep crid from serving what else there is. */
async function askWhetherStarted(context: PodContext, container: Container): Promise<void> {
  const { id, state } = container;
  container.mayRun = state === "created";
  using limit = deadline(`state of container ${id}`, RUNTIME_PATIENCE_MS);
  try {
    await noticeStart(context, container, limit.signal);
  } catch (error) {
    log.warn(`cannot tell whether container ${id} was started: ${errorMessage(error)}`, { id });
  }
}
