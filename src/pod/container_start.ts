import { CridError, wrapError } from "../failure/mod.ts";
import { containerState, startContainer as startInRuntime } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import { type Container, START_FAILED_CODE } from "./container.ts";
import { settleExit } from "./container_exit.ts";
import { containerHandler, findContainerHandler } from "./container_handler.ts";
import type { PodContext } from "./context.ts";
import { tuneContainer } from "./cpu_tuning.ts";
import { signalProcess } from "./signals.ts";
import { saveState } from "./state_file.ts";
import { now } from "./time.ts";

const SIGKILL = 9;

/**
 * Starts a created container. One that is running already is left as it is.
 *
 * @throws {CridError} `failed_precondition` when it has exited; what the runtime said when it cannot
 * start it, which also ends the container with reason `StartError`.
 */
export function startContainer(context: PodContext, container: Container): Promise<void> {
  return container.queue.run(async () => {
    await noticeStart(context, container);
    if (container.state === "running") return;
    if (container.state !== "created" || container.removed) {
      throw new CridError(
        "failed_precondition",
        `start container ${container.id}: it is not created but ${container.state}`,
      );
    }
    const handler = containerHandler(context, container);
    const startedAt = now();
    try {
      await tuneContainer(context, container);
      await startInRuntime(handler, container.id);
    } catch (error) {
      const failure = wrapError(`start container ${container.id}`, error);
      // A runtime may fail after it has started the process.
      if (container.init !== undefined) signalProcess(container.init, SIGKILL);
      await settleExit(context, container, {
        code: START_FAILED_CODE,
        finishedAt: now(),
        oomKilled: false,
        error: failure.message,
      });
      throw failure;
    }
    container.startedAt = startedAt;
    saveState(context, container);
    context.emit("started", container.parts.sandbox, container);
    log.info(`Started container ${container.id}`, { id: container.id });
  });
}

/**
 * Asks the runtime whether a restored container was started; others need not be asked for.
 *
 * @throws {CridError} When the runtime cannot tell. It is asked again before it is to start it.
 */
export async function noticeStart(
  context: PodContext,
  container: Container,
  signal?: AbortSignal,
): Promise<void> {
  if (!container.mayRun) return;
  const handler = findContainerHandler(context, container);
  if (handler === undefined) return;
  const state = await containerState(handler, container.id, signal);
  container.mayRun = false;
  if (state?.status !== "running" || container.exit !== undefined) return;
  container.startedAt = now();
  saveState(context, container);
}
