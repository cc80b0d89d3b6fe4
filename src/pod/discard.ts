import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { findHandler, type PodContext } from "./context.ts";
import { removeIfAny } from "./files.ts";
import { releaseImageVolumes } from "./image_volumes.ts";
import { unmountLogs } from "./log_links.ts";
import { namespaceFile } from "./names.ts";
import { unpinNamespaces } from "./namespaces.ts";
import { networkPod } from "./pod_network.ts";
import { deleteFromRuntime } from "./runtime_delete.ts";
import type { SandboxParts } from "./sandbox.ts";
import { unmountShm } from "./sandbox_files.ts";
import type { StoreMetadata } from "./sandbox_record.ts";
import { killStrays } from "./strays.ts";

/** One thing to take away. */
type Removal = readonly [what: string, remove: () => void | Promise<void>];

/**
 * Takes away a sandbox that was only half made, or that cannot be restored; in the background.
 *
 * @param parts `undefined` when its plan is lost: then only what follows from its id is known.
 */
export function discardSandbox(
  context: PodContext,
  id: string,
  metadata: StoreMetadata,
  parts: SandboxParts | undefined,
): void {
  const { store, network, options, cgroups } = context;
  const cgroupParent = parts?.cgroupParent ?? cgroups.parent("");
  const pod = parts === undefined ? podOfRecord(context, id, metadata) : networkPod(parts);
  const hasNetwork = parts === undefined || parts.namespaces.network !== undefined;
  const hasInfra = parts === undefined || parts.hasInfra;
  discard(context, id, metadata["pod-name"], [
    ["processes", () => killStrays(id)],
    ["network", () => hasNetwork ? network.tearDown(pod) : undefined],
    ["infra container", async () => {
      if (!hasInfra) return;
      await deleteFromRuntime(
        context,
        findHandler(context, parts?.handler ?? ""),
        cgroupParent,
        id,
      );
      await removeCgroup(context, cgroupParent, id);
    }],
    ["log links", () => parts === undefined ? undefined : unmountLogs(parts)],
    ["namespaces", () =>
      context.leftovers.after(
        metadata["pod-name"],
        "network",
        () => unpinNamespaces(options.namespacesDir, namespaceFile(id)),
      )],
    ["shm", () => unmountShm(join(store.containerRunDir(id), "shm"))],
    ["cgroup", () => cgroups.removeSandbox(cgroupParent, id)],
    ["log directory", () => removeIfAny(join(options.logDir, id))],
  ]);
}

/** Takes away a container that was only half made, or that cannot be restored; in the background. */
export function discardContainer(
  context: PodContext,
  id: string,
  metadata: StoreMetadata,
  sandbox: SandboxParts | undefined,
): void {
  const cgroupParent = sandbox?.cgroupParent ?? context.cgroups.parent("");
  discard(context, id, metadata.name, [
    ["processes", () => killStrays(id)],
    [
      "runtime container",
      () =>
        deleteFromRuntime(context, findHandler(context, sandbox?.handler ?? ""), cgroupParent, id),
    ],
    ["cgroup", () => removeCgroup(context, cgroupParent, id)],
    ["image volumes", () => releaseImageVolumes(context, id)],
  ]);
}

/** Ends what a killed runtime has left in a container's cgroup, and removes that. */
export async function removeCgroup(
  { cgroups }: PodContext,
  parent: string,
  id: string,
): Promise<void> {
  const path = cgroups.containerPath(parent, id);
  await cgroups.kill(path);
  await cgroups.remove(path);
}

/** Does every step, whatever became of the others; those that fail are left for later. */
function discard(
  { store, leftovers, options }: PodContext,
  id: string,
  name: string,
  removals: readonly Removal[],
): void {
  const all: readonly Removal[] = [
    ...removals,
    // After the processes that write it.
    ["exit file", () => removeIfAny(join(options.exitsDir, id))],
    ["storage", () => leftovers.last(name, () => store.deleteContainer(id))],
  ];
  leftovers.takeAway(name, async () => {
    for (const [what, remove] of all) {
      try {
        await remove();
      } catch (error) {
        log.warn(`discard ${name}: ${what}: ${errorMessage(error)}`, { id });
        leftovers.add(name, what, remove);
      }
    }
  });
}

function podOfRecord({ options }: PodContext, id: string, metadata: StoreMetadata) {
  return {
    id,
    name: metadata["metadata-name"],
    namespace: metadata.namespace ?? "",
    uid: metadata.uid ?? "",
    netns: join(options.namespacesDir, "netns", namespaceFile(id)),
    portMappings: [],
    annotations: {},
    cgroupParent: "",
  };
}
