import { CridError } from "../failure/mod.ts";
import { isObject, type JsonObject, objectsOf, parseObject, stringOf } from "./json.ts";
import { latestSupported, OLDEST_VERSION, SUPPORTED_VERSIONS } from "./version.ts";

/** One plugin of a chain, as configured. */
export interface PluginConfig {
  /** File name of the program in the plugin directories. */
  readonly type: string;
  /** Names of the capabilities that it has declared. */
  readonly capabilities: ReadonlySet<string>;
  readonly json: JsonObject;
}

/** A network: a chain of plugins. */
export interface NetworkConfig {
  readonly name: string;
  /** One of the versions that crid speaks. */
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGc: boolean;
  readonly plugins: readonly PluginConfig[];
  /** The list with all of its plugins, as it goes into the cache. */
  readonly json: string;
}

/** CNI spec, "Network configuration format": the same rule for names of networks and containers. */
export const NAME_RULE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Reads a `.conflist`.
 *
 * @param folder Texts of the files in the directory named like the network, in order (CNI 1.1).
 * @throws {CridError} `invalid_argument` saying what is wrong with it.
 */
export function parseNetworkList(
  text: string,
  folder: (network: string) => readonly string[] = () => [],
): NetworkConfig {
  const list = objectIn(text);
  const name = stringOf(list, "name");
  if (!NAME_RULE.test(name)) throw invalid(`"name" is ${JSON.stringify(name)}, not a network name`);
  const more = list.loadOnlyInlinedPlugins === true ? [] : folder(name).map(objectIn);
  const plugins = [...objectsOf(list, "plugins"), ...more];
  if (plugins.length === 0) {
    throw invalid('no "plugins"; a single plugin belongs in a .conf file');
  }
  return {
    name,
    cniVersion: chooseVersion(list),
    disableCheck: isSet(list, "disableCheck"),
    disableGc: isSet(list, "disableGC"),
    plugins: plugins.map(parsePlugin),
    json: more.length === 0 ? text : JSON.stringify({ ...list, plugins }),
  };
}

/**
 * Reads a `.conf` or `.json` file with one plugin: a chain of one.
 *
 * @throws {CridError} `invalid_argument` saying what is wrong with it.
 */
export function parseSinglePlugin(text: string): NetworkConfig {
  const plugin = objectIn(text);
  if (stringOf(plugin, "type") === "") {
    throw invalid("no 'type'; perhaps this is a .conflist?");
  }
  const list = {
    name: stringOf(plugin, "name"),
    cniVersion: stringOf(plugin, "cniVersion") || OLDEST_VERSION,
    loadOnlyInlinedPlugins: true,
    plugins: [plugin],
  };
  return parseNetworkList(JSON.stringify(list));
}

function parsePlugin(json: JsonObject): PluginConfig {
  const type = stringOf(json, "type");
  if (type === "" || type.includes("/") || type === "." || type === "..") {
    throw invalid(`a plugin's "type" is ${JSON.stringify(type)}, not a file name`);
  }
  const declared = isObject(json.capabilities) ? json.capabilities : {};
  const capabilities = Object.keys(declared).filter((name) => declared[name] === true);
  return { type, capabilities: new Set(capabilities), json };
}

/** CNI 1.1 lets a list name several versions; the latest that both sides speak is taken. */
function chooseVersion(list: JsonObject): string {
  const single = stringOf(list, "cniVersion");
  const several = Array.isArray(list.cniVersions)
    ? list.cniVersions.filter((each): each is string => typeof each === "string")
    : [];
  const offered = [...several, single].filter((version) => version !== "");
  if (offered.length === 0) return OLDEST_VERSION;
  const chosen = latestSupported(offered);
  if (chosen !== undefined) return chosen;
  throw invalid(
    `CNI version ${offered.join(", ")} is not one of ${SUPPORTED_VERSIONS.join(", ")}`,
  );
}

/** libcni takes these as booleans and as words. */
function isSet(list: JsonObject, name: string): boolean {
  const value = list[name];
  return value === true || (typeof value === "string" && value.toLowerCase() === "true");
}

function objectIn(text: string): JsonObject {
  const value = parseObject(text);
  if (value !== undefined) return value;
  throw invalid(text.trim() === "" ? "the file is empty" : "not a JSON object");
}

function invalid(what: string): CridError {
  return new CridError("invalid_argument", what);
}
