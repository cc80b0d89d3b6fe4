import type { Configuration, ConfiguredNetwork } from "./configuration_directory.ts";
import { CridError } from "../failure/mod.ts";
import type { NetworkConfig } from "./configuration.ts";
import { findPlugin, missingPlugin } from "./plugin.ts";

/** What the choice of the pods' network depends on. */
export interface SelectionOptions {
  readonly confDir: string;
  readonly pluginDirs: readonly string[];
  readonly defaultNetwork: string;
}

/**
 * The network that pods get: the one named, or the first file's; a network whose plugins are not
 * all there gives way to the next.
 *
 * @throws {CridError} `unavailable` saying what is missing.
 */
export function selectNetwork(
  { networks, problems }: Configuration,
  { confDir, pluginDirs, defaultNetwork }: SelectionOptions,
): NetworkConfig {
  const candidates = networks.filter(({ config }) =>
    defaultNetwork === "" || config.name === defaultNetwork
  );
  const lacking = candidates.map((network) => ({ network, plugin: lacks(network, pluginDirs) }));
  const complete = lacking.find(({ plugin }) => plugin === undefined);
  if (complete !== undefined) return complete.network.config;
  const first = lacking[0]?.plugin;
  if (first !== undefined) throw missingPlugin(first, pluginDirs);
  // The first sentence is CRI-O's; users and tools look for it.
  const none = `No CNI configuration file in ${confDir}. Has your network provider started?`;
  const others = networks.map(({ config }) => config.name).join(", ");
  const named = defaultNetwork === "" || others === ""
    ? ""
    : ` (cni_default_network is "${defaultNetwork}", there are: ${others})`;
  const broken = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
  throw new CridError("unavailable", none + named + broken);
}

function lacks({ config }: ConfiguredNetwork, pluginDirs: readonly string[]): string | undefined {
  return config.plugins.find(({ type }) => findPlugin(type, pluginDirs) === undefined)?.type;
}
