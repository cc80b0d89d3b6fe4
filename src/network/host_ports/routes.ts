import { readKernelFile } from "../../linux/mod.ts";

/** Destination, mask and interface of one route of IPv4. */
interface Route {
  readonly destination: number;
  readonly mask: number;
  readonly interface: string;
}

/** The interface that packets to an address of IPv4 leave through; `undefined` without a route. */
export function interfaceTo(address: string): string | undefined {
  return longestMatch(readKernelFile("/proc/net/route") ?? "", address);
}

/** {@linkcode interfaceTo} by the text of /proc/net/route, see proc(5). */
export function longestMatch(table: string, address: string): string | undefined {
  const wanted = numberOf(address.split(".").map(Number));
  const matches = table.split("\n").slice(1).map(parseRoute)
    .filter((route) => route !== undefined)
    .filter(({ destination, mask }) => (wanted & mask) >>> 0 === destination);
  return matches.toSorted((a, b) => b.mask - a.mask)[0]?.interface;
}

/** Addresses are in the byte order of the network, written as a number of the machine. */
function parseRoute(line: string): Route | undefined {
  const [name, destination, , flags, , , , mask] = line.trim().split(/\s+/);
  const isUp = (parseInt(flags ?? "0", 16) & 1) === 1;
  if (name === undefined || destination === undefined || mask === undefined || !isUp) return;
  return { interface: name, destination: littleEndian(destination), mask: littleEndian(mask) };
}

function littleEndian(hex: string): number {
  const bytes = hex.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  return numberOf(bytes.toReversed());
}

function numberOf(bytes: readonly number[]): number {
  return bytes.reduce((sum, byte) => ((sum << 8) | byte) >>> 0, 0);
}
