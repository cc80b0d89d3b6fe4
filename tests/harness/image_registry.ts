import { join } from "@std/path";
import { pushTestImages } from "../images/mod.ts";
import type { Isolation } from "./isolation.ts";
import { type Registry, startRegistry } from "./registry.ts";

/**
 * A registry inside `isolation` that serves test images by their repository paths. They are pushed before
 * it starts there, since this process is outside.
 */
export async function startImageRegistry(
  isolation: Isolation,
  repositories: readonly string[],
): Promise<Registry> {
  const directory = await Deno.makeTempDir({ prefix: "crid-blobs-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const storage = join(directory, "blobs");
  {
    await using outside = await startRegistry({ storage });
    await pushTestImages(outside.url, repositories);
  }
  const registry = stack.use(await startRegistry({ storage, through: isolation.through }));
  const owned = stack.move();
  return {
    host: registry.host,
    url: registry.url,
    pid: registry.pid,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
