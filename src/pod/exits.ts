import { type Exited, watchExits } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import { reconcile, settleExit } from "./container_exit.ts";
import type { PodContext } from "./context.ts";
import { announceStop } from "./sandbox_stop.ts";

/** Notices how containers and infra processes end, from now on until it is disposed. */
export async function followExits(context: PodContext): Promise<AsyncDisposable> {
  const { store, options, sandboxes, containers } = context;
  const exits = await watchExits({
    exitsDir: options.exitsDir,
    locate: (id) =>
      sandboxes.find(id) === undefined && containers.find(id) === undefined
        ? undefined
        : { persistDir: store.containerDir(id), bundle: store.containerRunDir(id) },
    onExit: (exited) => onExit(context, exited),
  });
  // One that ended between its restore and the watch, and whose monitor was killed with it.
  for (const container of containers.values()) await reconcile(context, container);
  return exits;
}

function onExit(context: PodContext, exited: Exited): void {
  const container = context.containers.find(exited.id);
  if (container !== undefined) {
    const { exitCode: code, finishedAt, oomKilled } = exited;
    void container.queue.run(() =>
      settleExit(context, container, { code, finishedAt, oomKilled, error: "" })
    );
    return;
  }
  const sandbox = context.sandboxes.find(exited.id);
  if (sandbox === undefined || sandbox.stopped) return;
  // Without its infra process a pod that shares PIDs is over: the kubelet makes a new one.
  log.warn(`The infra process of pod sandbox ${sandbox.id} has exited`, { id: sandbox.id });
  sandbox.infra = undefined;
  sandbox.stopped = true;
  announceStop(context, sandbox);
}
