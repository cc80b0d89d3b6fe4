import type { CgroupDriver } from "../cgroup/mod.ts";
import type { Config } from "../config/mod.ts";
import { log, setLogLevel } from "../observe/mod.ts";
import type { RuntimeHandler, SpecDefaults } from "../oci/mod.ts";
import type { PodOptions, Pods } from "../pod/mod.ts";
import type { Installation } from "./messages.ts";
import { podOptions, specDefaults } from "./options.ts";

/** What the rooms of a daemon were given of its configuration, and look at again each time. */
export interface Given {
  config: Config;
  readonly handlers: Map<string, RuntimeHandler>;
  readonly specDefaults: SpecDefaults;
  readonly podOptions: PodOptions;
  /** Names of images that are not to be collected. */
  pinned: readonly string[];
}

/** Names of images that are not to be collected, by the configuration. */
export function pinnedImages({ image }: Config): readonly string[] {
  return [image.pause_image, ...image.pinned_images];
}

/**
 * Puts a configuration in force that differs from the running one in keys that can be reloaded. Nothing
 * waits in between, so that no container is made with half of it.
 *
 * @param handlers Of the new configuration.
 */
export function putInForce(
  config: Config,
  handlers: ReadonlyMap<string, RuntimeHandler>,
  given: Given,
  pods: Pods,
  cgroups: CgroupDriver,
  installation: Installation,
): void {
  // They may throw, and then nothing is to have changed.
  const [defaults, options] = [specDefaults(config, cgroups), podOptions(config, installation)];
  const used = pods.handlersInUse();
  for (const name of Array.from(given.handlers.keys())) {
    if (handlers.has(name)) continue;
    if (used.has(name)) log.warn(`Runtime handler "${name}" is kept: there are pods that need it`);
    else given.handlers.delete(name);
  }
  for (const [name, handler] of handlers) given.handlers.set(name, handler);
  Object.assign(given.specDefaults, defaults);
  Object.assign(given.podOptions, options);
  given.pinned = pinnedImages(config);
  given.config = config;
  setLogLevel({ level: config.runtime.log_level, filter: config.runtime.log_filter });
}
