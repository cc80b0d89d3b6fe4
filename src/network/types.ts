/**
 * A pod's network, as CNI sees it.
 *
 * @module
 */
import type { FilterPrograms } from "./host_ports/packet_filter.ts";

export interface PortMapping {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
}

/** The pod that a network is for. Plain names and a namespace path: network/ knows no pods. */
export interface NetworkPod {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Pinned network namespace; `""` when it is already gone (a DEL is still made). */
  readonly netns: string;
  readonly portMappings: readonly PortMapping[];
  /** Pod annotations: bandwidth limits, and the CNI pod-annotations capability. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroupParent: string;
  /** Addresses with prefix length to ask for, through the `ips` capability. */
  readonly ips?: readonly string[];
  /** Hardware address to ask for, through the `mac` capability. */
  readonly mac?: string;
}

/** What the chain of plugins has answered. */
export interface NetworkResult {
  /** The sandbox interface's addresses, without prefix length; the first is the pod's IP. */
  readonly ips: readonly string[];
  /** The CNI result as it came, JSON text. */
  readonly raw: string;
}

export interface NetworkStatus {
  readonly ready: boolean;
  /** Empty when ready. */
  readonly reason: string;
  readonly message: string;
}

export interface NetworkOptions {
  readonly confDir: string;
  readonly pluginDirs: readonly string[];
  /** Name of the network to use, `""` for the first file in order. */
  readonly defaultNetwork: string;
  /** Result cache, `/var/lib/cni` (results below `results/`). */
  readonly cacheDir: string;
  /**
   * Names this runtime in the cache, so that {@linkcode Network.collectGarbage} knows what is its own
   * from what other runtimes on the node keep there. Give each instance its own: its storage root.
   * Without it, only pods whose namespace is gone count as garbage.
   */
  readonly owner?: string;
  /**
   * `cni_status_grace_period`. Above 0: how long a network that was ready may fail before the status
   * says so. 0: as CRI-O then does, what was ready once stays ready. Missing: said at once.
   */
  readonly statusGracePeriodMs?: number;
  /** How host ports are mapped that no plugin of the network maps. Missing: not at all. */
  readonly hostPorts?: HostPortOptions | undefined;
  /** What plugins inherit besides the `CNI_` variables. Default: `PATH`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds for a whole chain. */
  readonly limits?: Partial<NetworkLimits>;
}

export interface HostPortOptions {
  /** Names the tables of nftables; its end names the chains of iptables. Nobody else's on the node. */
  readonly table: string;
  /** The programs that are used. Default: nft(8), else iptables(8), of the search path. */
  readonly programs?: FilterPrograms;
}

/** Milliseconds that one command may take along the whole chain. */
export interface NetworkLimits {
  /** Default 5 minutes, as CRI-O. */
  readonly add: number;
  /** Default 1 minute, as CRI-O. */
  readonly del: number;
  /** Default 1 minute. */
  readonly check: number;
  /** Default 5 seconds. */
  readonly status: number;
  /** Default 1 minute. */
  readonly gc: number;
}

/** Pod networks through CNI plugins. All calls are idempotent and bounded in time. */
export interface Network {
  /** Whether a usable configuration is there; re-read when the directory changes. */
  status(): Promise<NetworkStatus>;
  /** Resolves when the network is ready, rejects with the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * ADD along the chain. A failure deletes what was added.
   *
   * @throws {CridError} naming the plugin and its message.
   */
  setUp(pod: NetworkPod, signal?: AbortSignal): Promise<NetworkResult>;
  /** DEL along the chain in reverse with the cached result; a pod never added is no error. */
  tearDown(pod: NetworkPod, signal?: AbortSignal): Promise<void>;
  check(pod: NetworkPod, signal?: AbortSignal): Promise<void>;
  /** The result of an earlier {@linkcode Network.setUp}, from the cache on disk. */
  cached(pod: Pick<NetworkPod, "id">): Promise<NetworkResult | undefined>;
  /** {@linkcode Network.cached} of all pods, by their ids; looking for one takes as long. */
  cachedResults(): ReadonlyMap<string, NetworkResult>;
  /**
   * Forgets and deletes what belongs to no pod in `pods` (GC of CNI 1.1, and the cache). Pods that are
   * set up meanwhile wait for it.
   */
  collectGarbage(pods: readonly NetworkPod[]): Promise<void>;
  [Symbol.dispose](): void;
}
