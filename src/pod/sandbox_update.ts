import { join } from "@std/path";
import type { LinuxResources, OciSpec } from "../oci/mod.ts";
import { Key } from "./annotations.ts";
import type { PodContext } from "./context.ts";
import { readFileIfAny, writeFileAtomic } from "./files.ts";
import type { Sandbox } from "./sandbox.ts";

/** What the kubelet has decided on for a pod as a whole. */
export interface SandboxResources {
  readonly overhead: LinuxResources | undefined;
  readonly resources: LinuxResources | undefined;
}

/**
 * Records a pod's new resources. There is nothing to change on the host: the pod's cgroup is the
 * kubelet's, and each container gets its own update.
 */
export function updateSandboxResources(
  context: PodContext,
  sandbox: Sandbox,
  update: SandboxResources,
): Promise<void> {
  return sandbox.queue.run(async () => {
    const path = join(context.store.containerDir(sandbox.id), "config.json");
    const text = await readFileIfAny(path);
    if (text === undefined) return;
    const spec = JSON.parse(text) as OciSpec;
    note(spec, Key.podOverhead, update.overhead);
    note(spec, Key.podResources, update.resources);
    await writeFileAtomic(path, JSON.stringify(spec));
  });
}

function note(spec: OciSpec, key: string, resources: LinuxResources | undefined): void {
  if (resources !== undefined) spec.annotations[key] = JSON.stringify(resources);
}
