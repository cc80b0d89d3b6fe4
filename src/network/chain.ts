import { CridError } from "../failure/mod.ts";
import type { Attachment } from "./cache.ts";
import type { NetworkConfig, PluginConfig } from "./configuration.ts";
import { isObject, type Json, type JsonObject, stringOf } from "./json.ts";
import { callPlugin, type Command, type PluginHost } from "./plugin.ts";
import { convertResult, parseResult } from "./result.ts";
import { isAtLeast } from "./version.ts";

/** A chain's ADD failed; `result` is what its last successful plugin answered. */
export class ChainError extends CridError {
  readonly result: JsonObject | undefined;

  constructor(cause: CridError, result: JsonObject | undefined) {
    super(cause.code, cause.message, { cause });
    this.result = result;
  }
}

/**
 * ADD along the chain: each plugin gets the result of the one before it.
 *
 * @returns The last plugin's result.
 * @throws {ChainError}
 */
export async function addChain(
  config: NetworkConfig,
  attachment: Attachment,
  host: PluginHost,
  signal: AbortSignal,
): Promise<JsonObject> {
  let result: JsonObject | undefined;
  for (const plugin of config.plugins) {
    try {
      const output = await call("ADD", config, plugin, attachment, result, host, signal);
      result = readResult(output, config, plugin);
    } catch (error) {
      throw error instanceof CridError ? new ChainError(error, result) : error;
    }
  }
  return result ?? {};
}

/**
 * DEL along the chain in reverse. All plugins are asked, also after one has failed.
 *
 * @param result From the cache; a chain that was never added has none.
 * @throws {CridError} the first failure.
 */
export async function deleteChain(
  config: NetworkConfig,
  attachment: Attachment,
  result: JsonObject | undefined,
  host: PluginHost,
  signal: AbortSignal,
): Promise<void> {
  const previous = isAtLeast(config.cniVersion, "0.4.0") ? result : undefined;
  const failures: unknown[] = [];
  for (const plugin of config.plugins.toReversed()) {
    try {
      await call("DEL", config, plugin, attachment, previous, host, signal);
    } catch (error) {
      failures.push(error);
      if (signal.aborted) break;
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** CHECK along the chain, for networks that have it. */
export async function checkChain(
  config: NetworkConfig,
  attachment: Attachment,
  result: JsonObject | undefined,
  host: PluginHost,
  signal: AbortSignal,
): Promise<void> {
  if (config.disableCheck || !isAtLeast(config.cniVersion, "0.4.0")) return;
  for (const plugin of config.plugins) {
    await call("CHECK", config, plugin, attachment, result, host, signal);
  }
}

/** STATUS of each plugin, for networks of CNI 1.1. */
export async function chainStatus(
  config: NetworkConfig,
  host: PluginHost,
  signal: AbortSignal,
): Promise<void> {
  if (!isAtLeast(config.cniVersion, "1.1.0")) return;
  for (const plugin of config.plugins) {
    await callForNetwork("STATUS", config, plugin, {}, host, signal);
  }
}

/** Whether {@linkcode collectChainGarbage} has anything to do: CNI 1.1 has brought GC. */
export function collectsGarbage(config: NetworkConfig): boolean {
  return !config.disableGc && isAtLeast(config.cniVersion, "1.1.0");
}

/** GC of each plugin: what is not in `valid` is to be deleted. */
export async function collectChainGarbage(
  config: NetworkConfig,
  valid: readonly Pick<Attachment, "containerId" | "ifName">[],
  host: PluginHost,
  signal: AbortSignal,
): Promise<void> {
  if (!collectsGarbage(config)) return;
  const attachments = valid.map(({ containerId, ifName }) => ({
    containerID: containerId,
    ifname: ifName,
  }));
  // The specification's name, and the one that libcni wrote before.
  const extra = { "cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments };
  for (const plugin of config.plugins) {
    await callForNetwork("GC", config, plugin, extra, host, signal);
  }
}

/** Whether any plugin of the chain has declared a capability. */
export function hasCapability(config: NetworkConfig, capability: string): boolean {
  return config.plugins.some(({ capabilities }) => capabilities.has(capability));
}

function readResult(output: string, config: NetworkConfig, plugin: PluginConfig): JsonObject {
  try {
    return parseResult(output, config.cniVersion);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CridError(
      "internal",
      `plugin type="${plugin.type}" name="${config.name}" failed (add): ${message}`,
      { cause: error },
    );
  }
}

function call(
  command: Command,
  config: NetworkConfig,
  plugin: PluginConfig,
  attachment: Attachment,
  result: JsonObject | undefined,
  host: PluginHost,
  signal: AbortSignal,
): Promise<string> {
  return callPlugin({
    command,
    type: plugin.type,
    network: config.name,
    config: {
      ...plugin.json,
      name: config.name,
      cniVersion: config.cniVersion,
      ...runtimeConfig(plugin, attachment.capabilities),
      ...(result === undefined ? {} : { prevResult: inVersion(result, config) }),
    },
    variables: {
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifName,
      CNI_ARGS: attachment.args.map(([name, value]) => `${name}=${value}`).join(";"),
    },
    signal,
  }, host);
}

function callForNetwork(
  command: Command,
  config: NetworkConfig,
  plugin: PluginConfig,
  extra: JsonObject,
  host: PluginHost,
  signal: AbortSignal,
): Promise<string> {
  const { name, cniVersion } = config;
  return callPlugin({
    command,
    type: plugin.type,
    network: name,
    config: { ...plugin.json, name, cniVersion, ...extra },
    variables: {},
    signal,
  }, host);
}

/** What the plugin has declared of what the pod has. */
function runtimeConfig(plugin: PluginConfig, capabilities: JsonObject): JsonObject {
  const given: Record<string, Json> = {};
  for (const [name, value] of Object.entries(capabilities)) {
    if (plugin.capabilities.has(name)) given[name] = value;
  }
  if (Object.keys(given).length === 0) return {};
  const configured = isObject(plugin.json.runtimeConfig) ? plugin.json.runtimeConfig : {};
  return { runtimeConfig: { ...configured, ...given } };
}

function inVersion(result: JsonObject, config: NetworkConfig): JsonObject {
  const own = stringOf(result, "cniVersion") || config.cniVersion;
  return convertResult({ ...result, cniVersion: own }, config.cniVersion);
}
