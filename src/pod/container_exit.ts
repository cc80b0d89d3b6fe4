import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { isAlive, type NamespaceRef, readExit } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container, Exit } from "./container.ts";
import type { PodContext } from "./context.ts";
import { untuneContainer } from "./cpu_tuning.ts";
import { removeIfAny } from "./files.ts";
import { releaseImageVolumes } from "./image_volumes.ts";
import { processEnd } from "./process_end.ts";
import { saveState } from "./state_file.ts";
import { now } from "./time.ts";

/** Exit code when nobody can know it: the monitor died before the process. */
const UNKNOWN_CODE = 255;

/**
 * Records how a container ended, before anyone is told: its state file, its mounts, the event. The
 * first end counts; whoever repeats it waits for that one.
 */
export function settleExit(
  context: PodContext,
  container: Container,
  exit: Exit,
): Promise<void> {
  if (container.exit === undefined) {
    container.settle(exit);
    container.settled = recordExit(context, container, exit);
  }
  return container.settled;
}

async function recordExit(context: PodContext, container: Container, exit: Exit): Promise<void> {
  const { id } = container;
  const attempt = async (step: () => unknown) => {
    try {
      await step();
      return true;
    } catch (error) {
      log.warn(`after the exit of container ${id}: ${errorMessage(error)}`, { id });
      return false;
    }
  };
  const isSaved = await attempt(() => saveState(context, container));
  await attempt(() => killLeftovers(context, container));
  await attempt(() => untuneContainer(context, container));
  await attempt(() => context.store.unmountContainer(id));
  await attempt(() => releaseImageVolumes(context, id));
  // Until it is saved elsewhere, the exit file is what a restart has to go by.
  if (isSaved) await attempt(() => removeIfAny(join(context.options.exitsDir, id)));
  log.info(`Container ${id} exited with code ${exit.code}`, { id });
  context.emit("stopped", container.parts.sandbox, container);
}

/** In a PID namespace of its own nothing outlives the first process; in a shared one it may. */
async function killLeftovers(context: PodContext, container: Container): Promise<void> {
  const namespaces = (container.spec.linux.namespaces ?? []) as readonly NamespaceRef[];
  if (namespaces.some(({ type, path }) => type === "pid" && path === undefined)) return;
  const { cgroupParent } = container.parts.sandbox.parts;
  await context.cgroups.kill(context.cgroups.containerPath(cgroupParent, container.id));
}

/**
 * The monitor has ended. With its container, as it should: the exit is recorded by then. Or alone:
 * then the container runs on unwatched, its output and exit code are lost.
 */
async function monitorGone(context: PodContext, container: Container): Promise<void> {
  if (context.closing.aborted) return;
  if (container.removed || !context.containers.has(container.id)) return;
  await container.queue.run(() => reconcile(context, container));
  if (container.exit !== undefined) return;
  const { id } = container;
  log.error(`Conmon for container ${id} is stopped, although the container is running`, { id });
}

/** Sees to it that the end of a monitor is noticed, which is `ended`. */
export function followMonitor(
  context: PodContext,
  container: Container,
  ended: Promise<void>,
): void {
  void ended.then(() => monitorGone(context, container)).catch((error) => {
    const { id } = container;
    log.error(`after the end of the monitor of container ${id}: ${errorMessage(error)}`, { id });
  });
}

/**
 * Looks whether a container that should run still does, and settles its exit if not. Used where no
 * exit was announced: after a restart, after a kill that found nothing, when its monitor has died.
 */
export async function reconcile(context: PodContext, container: Container): Promise<void> {
  if (container.exit !== undefined || container.init === undefined) return;
  const { id } = container;
  const { store } = context;
  const exitFile = join(context.options.exitsDir, id);
  const record = () => readExit(store.containerDir(id), store.containerRunDir(id), exitFile);
  let known = await record();
  if (known === undefined) {
    if (isAlive(container.init)) return;
    // The monitor is about to write down what it has just seen.
    await processEnd(container.monitor);
    known = await record();
  }
  await settleExit(
    context,
    container,
    known ?? {
      code: UNKNOWN_CODE,
      finishedAt: now(),
      oomKilled: false,
      error: "",
    },
  );
}
