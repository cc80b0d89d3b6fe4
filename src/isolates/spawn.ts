import { type IsolateName, permissionsOf } from "./permissions.ts";
import type { Config } from "../config/mod.ts";

/**
 * Starts an isolate behind its walls. From source its code is beside this file; in the built
 * program every isolate is one bundle beside the main one.
 */
export function spawnIsolate(
  name: IsolateName,
  config: Config,
  archives: readonly string[] = [],
): Worker {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const url = new URL(`./${name}_worker.${extension}`, import.meta.url);
  return new Worker(url, {
    type: "module",
    name,
    deno: { permissions: permissionsOf(name, config, archives) },
  });
}
