import { BlockList, isIP } from "node:net";

/**
 * Whether a registry is among the insecure ones: by its host with its port, by its host alone, or by an
 * address in a range (`10.0.0.0/8`). Names are not looked up.
 *
 * @param domain Host, with its port if it has one.
 */
export function isInsecure(domain: string, registries: readonly string[]): boolean {
  const host = domain.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return registries.some((entry) =>
    entry.includes("/") ? isWithin(host, entry) : entry === domain || entry === host
  );
}

function isWithin(host: string, range: string): boolean {
  const slash = range.indexOf("/");
  const [network, prefix] = [range.slice(0, slash), range.slice(slash + 1)];
  const version = isIP(network);
  const bits = /^\d+$/.test(prefix) ? Number(prefix) : -1;
  if (version === 0 || isIP(host) !== version || bits < 0 || bits > (version === 4 ? 32 : 128)) {
    return false;
  }
  const family = version === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return list.check(host, family);
}
