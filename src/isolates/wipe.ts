import { createCgroupDriver } from "../cgroup/mod.ts";
import type { Config } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import type { Images } from "../image/mod.ts";
import type { Network } from "../network/mod.ts";
import { log } from "../observe/mod.ts";
import { podRecord, type Pods, savedCgroupParent } from "../pod/mod.ts";
import { openStore, wipeStore } from "../storage/mod.ts";
import { wasUnclean } from "./clean_shutdown.ts";
import { storeOptions } from "./options.ts";
import { isOtherVersion } from "./version_file.ts";

/** Says that the store was removed once since boot: a second time would only lose what is new. */
const WIPE_DONE = "/run/crio/crio-wipe-done";
/** How many pods are removed at once. */
const AT_ONCE = 4;

/** What is due to be removed. */
export interface Due {
  /** Pods of before a reboot, or of another version. */
  readonly pods: boolean;
  /** The images of their containers too: the version that survives reboots has changed. */
  readonly images: boolean;
}

/** What the version files say that the daemon is to remove. */
export async function wipeDue(config: Config, version: string): Promise<Due> {
  const { pods, images } = await otherVersions(config, version);
  return { pods: pods || images, images };
}

/** Each file for itself: a new boot for pods, an upgrade for images. */
async function otherVersions({ crio }: Config, version: string): Promise<Due> {
  const [pods, images] = await Promise.all([
    isOtherVersion(crio.version_file, version),
    isOtherVersion(crio.version_file_persist, version),
  ]);
  return { pods, images };
}

/**
 * `internal_wipe`: removes what is due of a node that has just been restored.
 *
 * @returns The pods that could not be removed.
 */
export async function wipePods(due: Due, pods: Pods, images: Images): Promise<readonly string[]> {
  if (!due.pods) return [];
  const all = pods.sandboxes({}).map(({ id }) => id);
  const used = new Set(pods.containers({}).map(({ imageId }) => imageId));
  if (all.length > 0) log.info(`Removing ${all.length} pods of before a reboot or an upgrade`);
  const left = await removePods(all, pods);
  for (const id of due.images ? used : []) {
    await images.remove(id).catch((error) => log.warn(`remove image: ${errorMessage(error)}`));
  }
  return left;
}

/**
 * After a boot CNI plugins may come later than crid, and only they can give addresses back: what is left
 * of a wipe is removed once they are there. What fails then is the kubelet's to remove.
 */
export async function wipeWithNetwork(
  left: readonly string[],
  pods: Pods,
  network: Pick<Network, "ready">,
  closing: AbortSignal,
): Promise<void> {
  if (left.length === 0) return;
  // It ends without a network only when crid does.
  if (await network.ready(closing).then(() => true, () => false)) await removePods(left, pods);
}

/** @returns Those that could not be removed. */
async function removePods(ids: readonly string[], pods: Pods): Promise<readonly string[]> {
  const [waiting, left]: [string[], string[]] = [[...ids], []];
  const remove = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      try {
        await pods.removeSandbox(id);
      } catch (error) {
        log.warn(`remove pod sandbox ${id}: ${errorMessage(error)}`);
        left.push(id);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, remove));
  return left;
}

/**
 * `crid wipe`: what is due is removed from the store while no daemon runs; images only together with pods,
 * as CRI-O does it.
 *
 * @param how `force` removes it whatever the version files say, and although the daemon would.
 * @throws {CridError} `failed_precondition` when the store is in use.
 */
export async function wipeOffline(
  config: Config,
  version: string,
  how: "force" | "when due",
): Promise<void> {
  const { crio } = config;
  const due = how === "force" ? { pods: true, images: true } : await otherVersions(config, version);
  if (how === "when due") {
    if (due.pods && wasUnclean(crio.clean_shutdown_file)) return await wipeOnce(config);
    if (crio.internal_wipe) {
      log.info("The daemon wipes by itself (internal_wipe)");
      return;
    }
    if (!due.pods) return;
  }
  await using store = await openStore(storeOptions(config));
  const cgroups = await createCgroupDriver({ manager: config.runtime.cgroup_manager });
  const images = new Set<string>();
  for (const { id, image, metadata } of await store.containers()) {
    if (!podRecord(metadata)) continue;
    const parent = savedCgroupParent(store.containerDir(id));
    await store.deleteContainer(id);
    log.info(`Deleted container ${id}`);
    // Nobody else knows of it. That of a pod with processes stays.
    if (parent !== undefined) {
      await cgroups.removeSandbox(parent, id).catch((error) => log.warn(errorMessage(error)));
    }
    if (image !== "") images.add(image);
  }
  for (const id of due.images ? images : []) {
    try {
      await store.deleteImage(id);
      log.info(`Deleted image ${id}`);
    } catch (error) {
      log.warn(`delete image ${id}: ${errorMessage(error)}`);
    }
  }
}

/** Nothing that a crash has left can be relied on: the whole store goes. */
async function wipeOnce(config: Config): Promise<void> {
  try {
    await Deno.lstat(WIPE_DONE);
    log.info(`Wiped since boot already: ${WIPE_DONE} is there`);
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  log.info(`Removing the storage in ${config.crio.root} after an unclean shutdown`);
  await wipeStore(storeOptions(config));
  await Deno.mkdir("/run/crio", { recursive: true });
  await Deno.writeTextFile(WIPE_DONE, "done");
}
