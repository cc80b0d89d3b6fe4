import { CridError, errorMessage } from "../failure/mod.ts";
import {
  pauseContainer as pauseInRuntime,
  resumeContainer as resumeInRuntime,
} from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container } from "./container.ts";
import { containerHandler } from "./container_handler.ts";
import type { PodContext } from "./context.ts";
import { saveState } from "./state_file.ts";

/**
 * Freezes all processes of a container. CRI has no word for it: it is reported as running.
 *
 * @throws {CridError} `failed_precondition` when it does not run, or is paused already.
 */
export function pauseContainer(context: PodContext, container: Container): Promise<void> {
  return container.queue.run(async () => {
    const state = container.paused ? "paused" : container.state;
    if (state !== "running" && state !== "created") {
      throw new CridError(
        "failed_precondition",
        `container is not in running or created state, now is ${state}`,
      );
    }
    await pauseInRuntime(containerHandler(context, container), container.id);
    container.paused = true;
    saveState(context, container);
  });
}

/**
 * Lets a paused container go on.
 *
 * @throws {CridError} `failed_precondition` when it is not paused.
 */
export function unpauseContainer(context: PodContext, container: Container): Promise<void> {
  return container.queue.run(async () => {
    if (!container.paused) {
      throw new CridError(
        "failed_precondition",
        `container is not in paused state, now is ${container.state}`,
      );
    }
    await resumeInRuntime(containerHandler(context, container), container.id);
    container.paused = false;
    saveState(context, container);
  });
}

/** Thaws a container that is to be stopped: no signal, not even SIGKILL, reaches a frozen one on v1. */
export async function thaw(context: PodContext, container: Container): Promise<void> {
  if (!container.paused) return;
  try {
    await resumeInRuntime(containerHandler(context, container), container.id);
    container.paused = false;
  } catch (error) {
    log.warn(`resume container ${container.id} to stop it: ${errorMessage(error)}`, {
      id: container.id,
    });
  }
}
