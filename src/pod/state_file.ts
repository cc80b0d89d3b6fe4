import { join } from "@std/path";
import type { Container } from "./container.ts";
import { stateJson } from "./container_record.ts";
import type { PodContext } from "./context.ts";
import { writeFileAtomic } from "./files.ts";

/** Writes what has changed in a container's life, before anyone is told of it. */
export function saveState(context: PodContext, container: Container): void {
  const bundle = context.store.containerRunDir(container.id);
  const path = join(context.store.containerDir(container.id), "state.json");
  writeFileAtomic(path, stateJson(container, bundle));
}
