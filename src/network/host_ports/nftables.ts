/**
 * What nft(8) is told: one table for each family, always the whole of it. A file is one transaction, so
 * that no packet meets half a table, and writing it again changes nothing.
 *
 * @module
 */
import type { PacketFilter } from "./packet_filter.ts";
import { runFilter } from "./run_filter.ts";
import type { HostPort } from "./types.ts";

/**
 * @param table Its name; nobody else's on the node.
 * @param program nft(8).
 */
export function nftables(table: string, program: string): PacketFilter {
  return {
    async replace(ports, localInterfaces) {
      await runFilter(program, ["-f", "-"], ruleset(table, ports, localInterfaces));
    },
  };
}

/** Words that differ between the two families. */
const FAMILIES = [
  { family: 4, word: "ip", address: "ipv4_addr", bits: 32 },
  { family: 6, word: "ip6", address: "ipv6_addr", bits: 128 },
] as const;

type Family = typeof FAMILIES[number];

/**
 * The transaction that leaves exactly these mappings in `table`, and no table for a family without any.
 *
 * @param localInterfaces Those that packets from 127.0.0.1 may leave through, for `route_localnet`.
 */
export function ruleset(
  table: string,
  ports: readonly HostPort[],
  localInterfaces: readonly string[],
): string {
  return FAMILIES.map((family) => {
    const own = ports.filter((port) => port.family === family.family);
    // Deleting what is not there is an error, so it is made first.
    const gone = `table ${family.word} ${table} {}\ndelete table ${family.word} ${table}\n`;
    return own.length === 0 ? gone : gone + tableText(family, table, own, localInterfaces);
  }).join("");
}

function tableText(
  family: Family,
  table: string,
  ports: readonly HostPort[],
  localInterfaces: readonly string[],
): string {
  const { word, address } = family;
  const key = ({ protocol, hostPort }: HostPort) => `${protocol} . ${hostPort}`;
  const target = ({ podIp, containerPort }: HostPort) => `${podIp} . ${containerPort}`;
  const anywhere = ports.filter(({ hostIp }) => hostIp === undefined)
    .map((port) => `${key(port)} : ${target(port)}`);
  const somewhere = ports.filter(({ hostIp }) => hostIp !== undefined)
    .map((port) => `${port.hostIp} . ${key(port)} : ${target(port)}`);
  const mapped = unique(
    ports.map(({ podIp, protocol, containerPort }) => `${podIp} . ${protocol} . ${containerPort}`),
  );
  const asked = unique(ports.map(({ hostPort }) => String(hostPort)));
  const protocols = unique(ports.map(({ protocol }) => protocol));
  return `table ${word} ${table} {
  map at_address {
    type ${address} . inet_proto . inet_service : ${address} . inet_service
    ${elements(somewhere)}
  }
  map anywhere {
    type inet_proto . inet_service : ${address} . inet_service
    ${elements(anywhere)}
  }
  set mapped {
    type ${address} . inet_proto . inet_service
    ${elements(mapped)}
  }
  set asked {
    type inet_service
    ${elements(asked)}
  }
  chain hostports {
    dnat ${word} to ${word} daddr . meta l4proto . th dport map @at_address
    dnat ${word} to meta l4proto . th dport map @anywhere
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    ${reached(family)} jump hostports
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ${reached(family)} jump hostports
  }
  chain unanswerable {
${lines(unanswerable(family, ports).map((source) => `${word} saddr ${source} masquerade`))}
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
${lines(protocols.map((protocol) => redirected(word, protocol)))}
  }
${family.family === 4 ? martians(localInterfaces) : ""}}
`;
}

/** Any address of the host. The kernel lets nothing from ::1 leave loopback, so there it stays. */
function reached({ family }: Family): string {
  return family === 4 ? "fib daddr type local" : "ip6 daddr != ::1 fib daddr type local";
}

/**
 * Sources whose answers would not come back through the host: the pod itself and its neighbours, who
 * hear it directly, and loopback, which nobody outside can answer.
 */
function unanswerable({ family, bits }: Family, ports: readonly HostPort[]): readonly string[] {
  const subnets = ports.map(({ podIp, prefix }) => prefix >= bits ? podIp : `${podIp}/${prefix}`);
  return unique([...family === 4 ? ["127.0.0.0/8"] : [], ...subnets]);
}

/**
 * By the port that the packet came for, too: what others redirect to the same pods is theirs. That port
 * has a type for nft only where the protocol is said.
 */
function redirected(word: string, protocol: string): string {
  return `ct status dnat meta l4proto ${protocol} ct original proto-dst @asked ` +
    `${word} daddr . meta l4proto . th dport @mapped jump unanswerable`;
}

/** `route_localnet` would let neighbours reach 127.0.0.1 of the host; the kernel drops that without it. */
function martians(interfaces: readonly string[]): string {
  if (interfaces.length === 0) return "";
  const names = interfaces.map((name) => `"${name}"`).join(", ");
  return `  chain martians {
    type filter hook prerouting priority -300; policy accept;
    iifname { ${names} } ip daddr 127.0.0.0/8 drop
  }
`;
}

/** An empty list of elements is a syntax error. */
function elements(list: readonly string[]): string {
  return list.length === 0 ? "" : `elements = { ${list.join(", ")} }`;
}

function lines(list: readonly string[]): string {
  return list.map((line) => `    ${line}`).join("\n");
}

function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)];
}
