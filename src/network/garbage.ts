/**
 * What is left of pods that are gone: a crash or a reboot came before their networks were taken down.
 *
 * @module
 */
import { deadline, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { livingNetns, POD_INTERFACE } from "./attachment.ts";
import type { CachedAttachment, ResultCache } from "./cache.ts";
import { collectChainGarbage, collectsGarbage } from "./chain.ts";
import type { NetworkConfig } from "./configuration.ts";
import type { PluginHost } from "./plugin.ts";
import type { NetworkPod } from "./types.ts";

/** How many pods are deleted at the same time. */
const COLLECTORS = 4;

/**
 * Ours is what bears our name; and of what bears none, as CRI-O's and containerd's entries, the pods
 * whose namespace is gone: they cannot run any more, whoever made them.
 */
export function isOurs({ owner, attachment }: CachedAttachment, ours: string): boolean {
  if (owner !== "") return owner === ours;
  const isPod = attachment.args.some(([name]) => name === "K8S_POD_INFRA_CONTAINER_ID");
  return isPod && attachment.netns !== "" && livingNetns(attachment.netns) === "";
}

/** Deletes attachments, a few at a time. One that cannot be deleted is kept for the next time. */
export async function deleteGarbage(
  garbage: readonly CachedAttachment[],
  remove: (entry: CachedAttachment) => Promise<void>,
): Promise<void> {
  const waiting = garbage.values();
  const collect = async () => {
    for (const entry of waiting) {
      try {
        await remove(entry);
      } catch (error) {
        const { containerId: id } = entry.attachment;
        log.warn(`Collecting CNI garbage: ${errorMessage(error)}`, { id });
      }
    }
  };
  await Promise.all(Array.from({ length: COLLECTORS }, collect));
}

/** GC of CNI 1.1, with what any runtime has attached to the network and what is being attached. */
export async function tellPlugins(
  pods: readonly NetworkPod[],
  network: () => NetworkConfig,
  cache: ResultCache,
  host: PluginHost,
  limitMs: number,
): Promise<void> {
  try {
    const config = network();
    if (!collectsGarbage(config)) return;
    const cached = cache.all().filter((entry) => entry.network === config.name);
    const valid = new Map(cached.map(({ attachment: { containerId, ifName } }) => [
      `${containerId} ${ifName}`,
      { containerId, ifName },
    ]));
    for (const { id } of pods) {
      valid.set(`${id} ${POD_INTERFACE}`, { containerId: id, ifName: POD_INTERFACE });
    }
    using limit = deadline("CNI GC", limitMs);
    await collectChainGarbage(config, [...valid.values()], host, limit.signal);
  } catch (error) {
    log.warn(`Collecting CNI garbage: ${errorMessage(error)}`);
  }
}
