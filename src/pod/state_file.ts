import { join } from "@std/path";
import type { Container } from "./container.ts";
import { stateJson } from "./container_record.ts";
import type { PodContext } from "./context.ts";
import { writeFileAtomic } from "./files.ts";

/**
 * Writes what has changed in a container's life, before anyone is told of it. Its start and its end may be
 * noticed at the same time: one is written after the other, and the last one has both.
 */
export function saveState(context: PodContext, container: Container): Promise<void> {
  const bundle = context.store.containerRunDir(container.id);
  const path = join(context.store.containerDir(container.id), "state.json");
  return container.saves.run(() => writeFileAtomic(path, stateJson(container, bundle)));
}
