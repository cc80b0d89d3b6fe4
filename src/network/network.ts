import { CridError, deadline, errorMessage, wrapError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import {
  attach,
  fullName,
  livingNetns,
  nameIn,
  POD_INTERFACE,
  safeCapabilities,
} from "./attachment.ts";
import { type Attachment, type CachedAttachment, ResultCache } from "./cache.ts";
import { addChain, ChainError, checkChain, deleteChain } from "./chain.ts";
import type { NetworkConfig } from "./configuration.ts";
import { ConfigurationDirectory } from "./configuration_directory.ts";
import { deleteGarbage, isOurs, tellPlugins } from "./garbage.ts";
import { HostPorts } from "./host_ports/host_ports.ts";
import { unmappedPorts } from "./host_ports/mappings.ts";
import type { JsonObject } from "./json.ts";
import type { PluginHost } from "./plugin.ts";
import { Readiness } from "./readiness.ts";
import { podAddresses } from "./result.ts";
import { capabilityArguments } from "./runtime_config.ts";
import { selectNetwork } from "./selection.ts";
import { Turns } from "./turns.ts";
import type {
  Network,
  NetworkLimits,
  NetworkOptions,
  NetworkPod,
  NetworkResult,
  NetworkStatus,
} from "./types.ts";

/** CRI-O and libcni keep one for each pod; pinns has brought the interface up, no plugin has to. */
const LOOPBACK_NETWORK = "cni-loopback";

const DEFAULT_LIMITS: NetworkLimits = {
  add: 5 * 60_000,
  del: 60_000,
  check: 60_000,
  status: 5_000,
  gc: 60_000,
};

/** Pod networks of this node, by the CNI configuration in `confDir`. */
// deno-lint-ignore require-await -- the contract leaves room for asking plugins first.
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  return new CniNetwork(options);
}

class CniNetwork implements Network {
  readonly #options: NetworkOptions;
  readonly #owner: string;
  readonly #limits: NetworkLimits;
  readonly #host: PluginHost;
  readonly #directory: ConfigurationDirectory;
  readonly #cache: ResultCache;
  readonly #readiness: Readiness;
  /** `undefined` where plugins alone map host ports. */
  readonly #hostPorts: HostPorts | undefined;
  #collected: Promise<void> = Promise.resolve();
  /** CNI spec: a runtime must not run two commands for one container at the same time. */
  readonly #turns = new Turns();

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#owner = options.owner ?? "";
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#host = { directories: options.pluginDirs, env: options.env };
    this.#directory = new ConfigurationDirectory(options.confDir);
    this.#cache = new ResultCache(options.cacheDir, this.#owner);
    const { hostPorts } = options;
    this.#hostPorts = hostPorts && new HostPorts(hostPorts.table, hostPorts.programs);
    this.#readiness = new Readiness({
      select: () => this.#network(),
      changed: (signal) => this.#directory.changed(signal),
      host: this.#host,
      statusLimitMs: this.#limits.status,
      gracePeriodMs: options.statusGracePeriodMs,
    });
  }

  status(): Promise<NetworkStatus> {
    return this.#readiness.status();
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#readiness.ready(signal);
  }

  setUp(pod: NetworkPod, signal?: AbortSignal): Promise<NetworkResult> {
    return this.#turns.take(pod.id, async () => {
      // Nobody has told the plugins of this pod: they would take it for garbage.
      await this.#collected;
      const cached = this.#cache.of(pod.id).find(({ attachment: { ifName, netns } }) =>
        ifName === POD_INTERFACE && netns === pod.netns
      );
      if (cached?.result !== undefined) return toNetworkResult(cached.result);
      return await this.#add(pod, signal);
    });
  }

  tearDown(pod: NetworkPod, signal?: AbortSignal): Promise<void> {
    return this.#turns.take(pod.id, async () => {
      try {
        await this.#hostPorts?.remove(pod.id);
      } finally {
        const cached = this.#cache.of(pod.id);
        for (const entry of cached) await this.#deleteCached(entry, livingNetns(pod.netns), signal);
        if (cached.length === 0) await this.#deleteUnknown(pod, signal);
      }
    });
  }

  check(pod: NetworkPod, signal?: AbortSignal): Promise<void> {
    return this.#turns.take(pod.id, async () => {
      const [entry] = this.#cache.of(pod.id).filter(isPodNetwork);
      if (entry === undefined) {
        throw new CridError("not_found", `check network of ${fullName(pod)}: it was never set up`);
      }
      using limit = deadline("CNI CHECK", this.#limits.check, signal);
      const attachment = { ...entry.attachment, netns: pod.netns };
      const config = entry.config ?? this.#network();
      try {
        await checkChain(config, attachment, entry.result, this.#host, limit.signal);
      } catch (error) {
        throw wrapError(`check pod ${fullName(pod)} on CNI network "${config.name}"`, error);
      }
    });
  }

  // deno-lint-ignore require-await
  async cached(pod: Pick<NetworkPod, "id">): Promise<NetworkResult | undefined> {
    const entry = this.#cache.of(pod.id).find(isPodNetwork);
    return entry?.result === undefined ? undefined : toNetworkResult(entry.result);
  }

  cachedResults(): ReadonlyMap<string, NetworkResult> {
    const results = new Map<string, NetworkResult>();
    for (const entry of this.#cache.all()) {
      if (!isPodNetwork(entry) || entry.result === undefined) continue;
      results.set(entry.attachment.containerId, toNetworkResult(entry.result));
    }
    return results;
  }

  collectGarbage(pods: readonly NetworkPod[]): Promise<void> {
    const collected = this.#collectGarbage(pods);
    this.#collected = collected.catch(() => {});
    return collected;
  }

  async #collectGarbage(pods: readonly NetworkPod[]): Promise<void> {
    const known = new Set(pods.map(({ id }) => id));
    const isKnown = (entry: CachedAttachment) => known.has(entry.attachment.containerId);
    const all = this.#cache.all();
    const garbage = all.filter((entry) => !isKnown(entry) && isOurs(entry, this.#owner));
    await Promise.all([
      this.#restoreHostPorts(all.filter(isKnown)),
      deleteGarbage(garbage, (entry) => this.#deleteGone(entry)),
    ]);
    const network = () => this.#network();
    await tellPlugins(pods, network, this.#cache, this.#host, this.#limits.gc);
  }

  [Symbol.dispose](): void {
    this.#readiness[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  /** The network that a pod gets now. */
  #network(): NetworkConfig {
    return selectNetwork(this.#directory.current, this.#options);
  }

  async #add(pod: NetworkPod, signal: AbortSignal | undefined): Promise<NetworkResult> {
    const config = this.#network();
    const attachment = attach(pod, capabilityArguments(pod));
    for (const stale of this.#cache.of(pod.id)) await this.#deleteCached(stale, "", signal);
    log.info(`Adding pod ${fullName(pod)} to CNI network ${described(config)}`, { id: pod.id });
    let result: JsonObject | undefined;
    try {
      using limit = deadline("CNI ADD", this.#limits.add, signal);
      result = await addChain(config, attachment, this.#host, limit.signal);
      this.#cache.write(config, attachment, result);
      await this.#mapHostPorts(config, attachment, result);
      return toNetworkResult(result);
    } catch (error) {
      const made = error instanceof ChainError ? error.result : result;
      await this.#takeBack(config, attachment, made);
      this.#cache.forget(config, attachment);
      throw wrapError(`add pod ${fullName(pod)} to CNI network "${config.name}"`, error);
    }
  }

  async #mapHostPorts(
    config: NetworkConfig,
    attachment: Attachment,
    result: JsonObject,
  ): Promise<void> {
    const unmapped = unmappedPorts({ attachment, config, result });
    if (unmapped.ports.length === 0) return;
    if (this.#hostPorts !== undefined) return await this.#hostPorts.add(unmapped);
    log.warn(
      `Host ports of pod ${unmapped.name} are not mapped: no plugin of CNI network ` +
        `"${config.name}" has the portMappings capability`,
      { id: unmapped.id },
    );
  }

  /** What is in the kernel may be from before a crash. */
  async #restoreHostPorts(entries: readonly CachedAttachment[]): Promise<void> {
    const living = entries.filter((entry) =>
      isPodNetwork(entry) && entry.attachment.capabilities.portMappings !== undefined &&
      livingNetns(entry.attachment.netns) !== ""
    );
    try {
      await this.#hostPorts?.replace(living.map(unmappedPorts));
    } catch (error) {
      log.warn(`Mapping host ports anew: ${errorMessage(error)}`);
    }
  }

  /** CNI spec, section 3: a runtime deletes what a failed ADD may have left. */
  async #takeBack(
    config: NetworkConfig,
    attachment: Attachment,
    result: JsonObject | undefined,
  ): Promise<void> {
    try {
      // Not the caller's signal: it may be the reason for being here.
      using limit = deadline("CNI DEL", this.#limits.del);
      await deleteChain(config, attachment, result, this.#host, limit.signal);
    } catch (error) {
      log.warn(`Taking back a failed CNI ADD: ${errorMessage(error)}`, {
        id: attachment.containerId,
      });
    }
  }

  async #deleteCached(
    entry: CachedAttachment,
    netns: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (isPodNetwork(entry)) {
      const config = entry.config ?? this.#network();
      await this.#delete(config, { ...entry.attachment, netns }, entry.result, signal);
    }
    this.#cache.remove(entry);
  }

  /** Deletes a pod that the cache does not know: whoever added it may have died before writing. */
  async #deleteUnknown(pod: NetworkPod, signal: AbortSignal | undefined): Promise<void> {
    let config: NetworkConfig;
    let attachment: Attachment;
    try {
      config = this.#network();
      attachment = { ...attach(pod, safeCapabilities(pod)), netns: livingNetns(pod.netns) };
    } catch {
      // Without a network, or with names that plugins cannot be told, nothing can have been added.
      return;
    }
    await this.#delete(config, attachment, undefined, signal);
  }

  async #delete(
    config: NetworkConfig,
    attachment: Attachment,
    result: JsonObject | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const name = nameIn(attachment);
    log.info(`Deleting pod ${name} from CNI network ${described(config)}`, {
      id: attachment.containerId,
    });
    try {
      using limit = deadline("CNI DEL", this.#limits.del, signal);
      await deleteChain(config, attachment, result, this.#host, limit.signal);
    } catch (error) {
      throw wrapError(`delete pod ${name} from CNI network "${config.name}"`, error);
    }
  }

  #deleteGone(entry: CachedAttachment): Promise<void> {
    const { containerId, netns } = entry.attachment;
    return this.#turns.take(
      containerId,
      () => this.#deleteCached(entry, livingNetns(netns), undefined),
    );
  }
}

function toNetworkResult(result: JsonObject): NetworkResult {
  return { ips: podAddresses(result, POD_INTERFACE), raw: JSON.stringify(result) };
}

function isPodNetwork({ network }: CachedAttachment): boolean {
  return network !== LOOPBACK_NETWORK;
}

function described({ name, plugins }: NetworkConfig): string {
  return `"${name}" (type=${plugins[0]?.type})`;
}
