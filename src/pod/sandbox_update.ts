import { join } from "@std/path";
import type { OciSpec } from "../oci/mod.ts";
import type { PodContext } from "./context.ts";
import { readFileIfAny, writeFileAtomic } from "./files.ts";
import { annotateResources, type SandboxResources } from "./resources_annotation.ts";
import type { Sandbox } from "./sandbox.ts";

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
    annotateResources(spec.annotations, update);
    writeFileAtomic(path, JSON.stringify(spec));
  });
}
