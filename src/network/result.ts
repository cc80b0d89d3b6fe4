import { isIP } from "node:net";
import { CridError } from "../failure/mod.ts";
import { excerpt } from "./excerpt.ts";
import { isObject, type JsonObject, objectsOf, parseObject, stringOf } from "./json.ts";
import { isAtLeast, SUPPORTED_VERSIONS } from "./version.ts";

/**
 * Reads what a plugin has printed for ADD and turns it into the version of the network.
 *
 * @throws {CridError} `internal` when it is not a result.
 */
export function parseResult(text: string, cniVersion: string): JsonObject {
  const result = parseObject(text);
  if (result === undefined) {
    const shown = text.trim() === "" ? "nothing" : `no JSON object: ${excerpt(text)}`;
    throw new CridError("internal", `printed ${shown}`);
  }
  // Only old plugins leave the version out; then it is the one they were asked in.
  const own = stringOf(result, "cniVersion") || cniVersion;
  if (!(SUPPORTED_VERSIONS as readonly string[]).includes(own)) {
    throw new CridError("internal", `answered in CNI version ${own}, asked in ${cniVersion}`);
  }
  const converted = convertResult({ ...result, cniVersion: own }, cniVersion);
  for (const { address } of resultAddresses(converted)) {
    if (isIP(address) === 0) {
      throw new CridError("internal", `answered the address ${JSON.stringify(address)}`);
    }
  }
  return converted;
}

/** Turns a result into another version of the specification. */
export function convertResult(result: JsonObject, cniVersion: string): JsonObject {
  const own = stringOf(result, "cniVersion");
  if (own === cniVersion) return result;
  const modern = isAtLeast(own, "0.3.0") ? result : fromFamilies(result);
  if (!isAtLeast(cniVersion, "0.3.0")) return { ...toFamilies(modern), cniVersion };
  if (modern.ips === undefined) return { ...modern, cniVersion };
  const withFamily = !isAtLeast(cniVersion, "1.0.0");
  const ips = objectsOf(modern, "ips").map(({ version: _, ...ip }) =>
    withFamily ? { version: familyOf(stringOf(ip, "address")), ...ip } : ip
  );
  return { ...modern, ips, cniVersion };
}

/** 0.1 and 0.2 have `ip4` and `ip6` in place of a list. */
function fromFamilies(result: JsonObject): JsonObject {
  const { ip4, ip6, ...rest } = result;
  const families = [ip4, ip6].filter(isObject);
  const ips = families.map((family) => ({
    address: family.ip ?? "",
    ...(family.gateway === undefined ? {} : { gateway: family.gateway }),
  }));
  const routes = families.flatMap((family) => objectsOf(family, "routes"));
  return { ...rest, ips, ...(routes.length === 0 ? {} : { routes }) };
}

function toFamilies(result: JsonObject): JsonObject {
  const { ips: _, routes: __, interfaces: ___, ...rest } = result;
  const routes = objectsOf(result, "routes");
  const family = (version: "4" | "6") => {
    const ip = objectsOf(result, "ips").find((each) =>
      familyOf(stringOf(each, "address")) === version
    );
    if (ip === undefined) return undefined;
    return {
      ip: ip.address ?? "",
      ...(ip.gateway === undefined ? {} : { gateway: ip.gateway }),
      routes: routes.filter((route) => familyOf(stringOf(route, "dst")) === version),
    };
  };
  const [ip4, ip6] = [family("4"), family("6")];
  return { ...rest, ...(ip4 === undefined ? {} : { ip4 }), ...(ip6 === undefined ? {} : { ip6 }) };
}

function familyOf(address: string): "4" | "6" {
  return address.includes(":") ? "6" : "4";
}

/** One address and the interface that the plugin says it is on. */
interface ResultAddress {
  /** Without prefix length. */
  readonly address: string;
  /** Length of the network's prefix; of the whole address when the plugin tells none. */
  readonly prefix: number;
  readonly interface: { readonly name: string; readonly inSandbox: boolean } | undefined;
}

function resultAddresses(result: JsonObject): readonly ResultAddress[] {
  const interfaces = Array.isArray(result.interfaces) ? result.interfaces : [];
  const source = isAtLeast(stringOf(result, "cniVersion"), "0.3.0") ? result : fromFamilies(result);
  return objectsOf(source, "ips").map((ip) => {
    const link: unknown = typeof ip.interface === "number" ? interfaces[ip.interface] : undefined;
    const [address = "", prefix = ""] = stringOf(ip, "address").split("/");
    return {
      address,
      prefix: /^\d{1,3}$/.test(prefix) ? Number(prefix) : address.includes(":") ? 128 : 32,
      interface: isObject(link)
        ? { name: stringOf(link, "name"), inSandbox: stringOf(link, "sandbox") !== "" }
        : undefined,
    };
  });
}

/**
 * The pod's addresses: first those on `ifName` in the plugins' order, then those that name no
 * interface, then those on other interfaces of the sandbox. The host's own are none of the pod's.
 */
export function podAddresses(result: JsonObject, ifName: string): readonly string[] {
  return [...new Set(podNetworks(result, ifName).map(({ address }) => address))];
}

/** {@linkcode podAddresses} with the lengths of their prefixes. */
export function podNetworks(
  result: JsonObject,
  ifName: string,
): readonly Pick<ResultAddress, "address" | "prefix">[] {
  const rank = ({ interface: link }: ResultAddress) => {
    if (link === undefined) return 1;
    if (!link.inSandbox) return undefined;
    return link.name === ifName ? 0 : 2;
  };
  const ranked = resultAddresses(result).flatMap((each) => {
    const own = rank(each);
    return own === undefined ? [] : [{ ...each, rank: own }];
  });
  return ranked.toSorted((a, b) => a.rank - b.rank);
}
