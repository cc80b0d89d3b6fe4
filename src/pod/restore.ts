import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { deleteContainer, isAlive, type OciSpec } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { ContainerRecord } from "../storage/mod.ts";
import { Container } from "./container.ts";
import { reconcile } from "./container_exit.ts";
import { readContainer, readState } from "./container_record.ts";
import { handlerNamed, type PodContext } from "./context.ts";
import { readFileIfAny, removeIfAny } from "./files.ts";
import { containerName, infraName, namespaceFile, sandboxName } from "./names.ts";
import { unpinNamespaces } from "./namespaces.ts";
import { networkPod } from "./pod_network.ts";
import { Sandbox } from "./sandbox.ts";
import { unmountShm } from "./sandbox_files.ts";
import { readSandbox, readStoreMetadata, type StoreMetadata } from "./sandbox_record.ts";
import { NETWORK_STOPPED_MARK, STOPPED_MARK } from "./sandbox_stop.ts";

/** Of a sandbox whose infra container was only half made. */
const NOTHING_SAVED = { init: undefined, monitor: undefined };

/** A record in the store that is a pod's or a container's. */
interface Owned {
  readonly record: ContainerRecord;
  readonly metadata: StoreMetadata;
}

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
  await Promise.all(pods.map((pod) => restoreSandbox(context, pod)));
  await Promise.all(containers.map((container) => restoreContainer(context, container)));
  const alive = Array.from(context.sandboxes.values(), (sandbox) => networkPod(sandbox.parts));
  await context.network.collectGarbage(alive).catch((error) => {
    log.warn(`collect the garbage of pod networks: ${errorMessage(error)}`);
  });
  if (owned.length > 0) {
    log.info(`Restored ${pods.length} pod sandboxes and ${containers.length} containers`);
  }
}

function isPod(owned: Owned): boolean {
  return owned.metadata.pod === true;
}

async function restoreSandbox(context: PodContext, { record, metadata }: Owned): Promise<void> {
  const { store } = context;
  const { id } = record;
  const directory = store.containerDir(id);
  try {
    const text = await readFileIfAny(join(directory, "config.json"));
    if (text === undefined) throw new Error("it was only half made");
    const sandbox = new Sandbox(readSandbox(text));
    handlerNamed(context, sandbox.parts.runtimeHandler);
    const [stopped, networkStopped] = await Promise.all([
      readFileIfAny(join(directory, STOPPED_MARK)),
      readFileIfAny(join(directory, NETWORK_STOPPED_MARK)),
    ]);
    sandbox.stopped = stopped !== undefined;
    sandbox.networkStopped = networkStopped !== undefined;
    sandbox.ips = (await context.network.cached({ id }))?.ips ?? [];
    if (sandbox.parts.hasInfra) {
      const state = await readFileIfAny(join(directory, "state.json"));
      const { init, monitor } = state === undefined ? NOTHING_SAVED : readState(state);
      sandbox.infraMonitor = monitor;
      if (init !== undefined && isAlive(init)) sandbox.infra = init;
      else sandbox.stopped = true;
    }
    // After a reboot the record is there and the namespaces are not.
    if (!sandbox.stopped && !(await isPinned(sandbox))) sandbox.stopped = true;
    sandbox.visible = true;
    context.sandboxes.add(sandbox);
    context.names.set(sandboxName(sandbox.parts.config.metadata), id);
    context.names.set(infraName(sandbox.parts.config.metadata), id);
  } catch (error) {
    log.warn(`cannot restore pod sandbox ${id}, removing it: ${errorMessage(error)}`, { id });
    await discardSandbox(context, id, metadata);
  }
}

async function isPinned(sandbox: Sandbox): Promise<boolean> {
  for (const path of Object.values(sandbox.parts.namespaces)) {
    try {
      await Deno.lstat(path);
    } catch {
      return false;
    }
  }
  return true;
}

/** Takes away a sandbox of which only its record in the store is certain. */
async function discardSandbox(
  context: PodContext,
  id: string,
  metadata: StoreMetadata,
): Promise<void> {
  const { store, network, options, cgroups } = context;
  const attempts: readonly (readonly [string, () => void | Promise<void>])[] = [
    ["network", () =>
      network.tearDown({
        id,
        name: metadata["metadata-name"],
        namespace: metadata.namespace ?? "",
        uid: metadata.uid ?? "",
        netns: join(options.namespacesDir, "netns", namespaceFile(id)),
        portMappings: [],
        annotations: {},
        cgroupParent: "",
      })],
    ["infra container", () => deleteContainer(handlerNamed(context, ""), id)],
    ["namespaces", () => unpinNamespaces(options.namespacesDir, namespaceFile(id))],
    ["shm", () => unmountShm(join(store.containerRunDir(id), "shm"))],
    ["cgroup", () => cgroups.removeSandbox(cgroups.parent(""), id)],
    ["log directory", () => removeIfAny(join(options.logDir, id))],
    ["storage", () => store.deleteContainer(id)],
  ];
  await attempt(`discard pod sandbox ${id}`, attempts);
}

async function restoreContainer(context: PodContext, { record, metadata }: Owned): Promise<void> {
  const { store } = context;
  const { id } = record;
  const directory = store.containerDir(id);
  try {
    const sandbox = context.sandboxes.find(metadata["pod-id"]);
    if (sandbox === undefined) throw new Error("its pod sandbox is gone");
    const [specText, stateText] = await Promise.all([
      readFileIfAny(join(directory, "config.json")),
      readFileIfAny(join(directory, "state.json")),
    ]);
    if (specText === undefined || stateText === undefined) throw new Error("it was only half made");
    const spec = JSON.parse(specText) as OciSpec;
    const container = new Container(readContainer(spec, sandbox), spec);
    const state = readState(stateText);
    container.init = state.init;
    container.monitor = state.monitor;
    container.startedAt = state.startedAt;
    container.paused = state.paused;
    container.visible = true;
    const images = Array.from(container.parts.mountImages.values());
    if (images.length > 0) context.imageVolumes.set(id, images);
    if (state.exit !== undefined) container.settle(state.exit);
    sandbox.containers.add(container);
    context.containers.add(container);
    context.names.set(
      containerName(container.parts.config.metadata, sandbox.parts.config.metadata),
      id,
    );
    await reconcile(context, container);
  } catch (error) {
    log.warn(`cannot restore container ${id}, removing it: ${errorMessage(error)}`, { id });
    await attempt(`discard container ${id}`, [
      ["runtime container", () => deleteContainer(handlerNamed(context, ""), id)],
      ["exit file", () => removeIfAny(join(context.options.exitsDir, id))],
      ["storage", () => store.deleteContainer(id)],
    ]);
  }
}

/** Does every step, whatever became of the others. */
async function attempt(
  what: string,
  steps: readonly (readonly [string, () => void | Promise<void>])[],
): Promise<void> {
  for (const [name, step] of steps) {
    try {
      await step();
    } catch (error) {
      log.warn(`${what}: ${name}: ${errorMessage(error)}`);
    }
  }
}
