/**
 * Host ports by iptables, for hosts where nftables cannot be used: chains of crid's own in the table
 * nat, and in raw for what must not come in on loopback's addresses. iptables-restore(8) changes a
 * table in one go; of others' rules only those are touched that lead to crid's chains.
 *
 * @module
 */
import type { PacketFilter } from "./packet_filter.ts";
import { runFilter } from "./run_filter.ts";
import type { HostPort } from "./types.ts";

/** Seconds; others hold the lock of iptables while they work. */
const WAIT = "--wait=15";
const FAMILIES = [
  { family: 4, infix: "", bits: 32 },
  { family: 6, infix: "6", bits: 128 },
] as const;

type Family = typeof FAMILIES[number];

/** What crid has in one table. */
interface Table {
  readonly name: "nat" | "raw";
  /** Rules by the chain that they are in; crid's own chains only. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Rules of the kernel's chains that lead to crid's, before all others: `PREROUTING -j …`. */
  readonly jumps: readonly string[];
}

/**
 * @param name Ends in what is unique on the node.
 * @param program `iptables`: `-save` and `-restore` are put behind it, and a 6 before `tables`.
 */
export function iptables(name: string, program: string): PacketFilter {
  const suffix = name.slice(-8).toUpperCase();
  return {
    async replace(ports, localInterfaces) {
      for (const family of FAMILIES) {
        const own = ports.filter((port) => port.family === family.family);
        const command = program.replace(/ip(?=tables[^/]*$)/, `ip${family.infix}`);
        try {
          for (const table of tables(suffix, family, own, localInterfaces)) {
            await bring(command, table);
          }
        } catch (error) {
          // A host without IPv6 has no rules of it to take away.
          if (own.length > 0 || family.family === 4) throw error;
        }
      }
    },
  };
}

/** Makes the kernel's table say what `table` does; one that does so already is not written. */
async function bring(command: string, table: Table): Promise<void> {
  const saved = await runFilter(`${command}-save`, ["-t", table.name]);
  const text = restoreText(table, saved);
  if (text !== undefined) await runFilter(`${command}-restore`, ["--noflush", WAIT], text);
}

/**
 * What iptables-restore(8) is told.
 *
 * @param saved What iptables-save(8) says of the table.
 * @returns `undefined` when there is nothing, and there shall be nothing.
 */
export function restoreText(table: Table, saved: string): string | undefined {
  const names = [...table.chains.keys()];
  const isEmpty = table.jumps.length === 0;
  const known = saved.split("\n");
  const leading = known.filter((line) => names.some((name) => line.endsWith(` -j ${name}`)));
  const there = names.filter((name) => known.some((line) => line.startsWith(`:${name} `)));
  if (isEmpty && there.length === 0) return undefined;
  return [
    `*${table.name}`,
    // Saying a chain makes it, and empties one that is there.
    ...(isEmpty ? there : names).map((name) => `:${name} - [0:0]`),
    ...leading.map((line) => line.replace(/^-A/, "-D")),
    ...table.jumps.map((jump) => `-I ${jump}`),
    ...[...table.chains].flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
    ...(isEmpty ? there : []).map((name) => `-X ${name}`),
    "COMMIT",
    "",
  ].join("\n");
}

/** What crid wants to have in the tables of a family. */
export function tables(
  suffix: string,
  family: Family,
  ports: readonly HostPort[],
  localInterfaces: readonly string[],
): readonly Table[] {
  const [led, hidden, martians] = [
    `CRID-PORTS-${suffix}`,
    `CRID-MASQ-${suffix}`,
    `CRID-LO-${suffix}`,
  ];
  // The kernel lets nothing from ::1 leave loopback, so there it stays.
  const local = (family.family === 4 ? "" : "! -d ::1/128 ") + "-m addrtype --dst-type LOCAL";
  const nat: Table = {
    name: "nat",
    chains: new Map([[led, ports.toSorted(byAddress).map((port) => lead(port, family))], [
      hidden,
      unique(ports.flatMap((port) => hide(port, family))),
    ]]),
    jumps: ports.length === 0 ? [] : [
      `PREROUTING ${local} -j ${led}`,
      `OUTPUT ${local} -j ${led}`,
      `POSTROUTING -j ${hidden}`,
    ],
  };
  if (family.family === 6) return [nat];
  // `route_localnet` would let neighbours reach 127.0.0.1 of the host.
  const drops = ports.length === 0 ? [] : localInterfaces;
  const raw: Table = {
    name: "raw",
    chains: new Map([[martians, drops.map((each) => `-i ${each} -d 127.0.0.0/8 -j DROP`)]]),
    jumps: drops.length === 0 ? [] : [`PREROUTING -j ${martians}`],
  };
  return [nat, raw];
}

/** The first rule that fits counts: those for one address come first. */
function byAddress(a: HostPort, b: HostPort): number {
  return Number(a.hostIp === undefined) - Number(b.hostIp === undefined);
}

function lead(
  { protocol, hostIp, hostPort, podIp, containerPort }: HostPort,
  family: Family,
): string {
  const to = family.family === 4 ? podIp : `[${podIp}]`;
  const address = hostIp === undefined ? "" : `-d ${hostIp}/${family.bits} `;
  return `${address}-p ${protocol} -m ${protocol} --dport ${hostPort} ` +
    `-j DNAT --to-destination ${to}:${containerPort}`;
}

/**
 * Hides sources whose answers would not come back through the host: the pod itself and its neighbours,
 * who hear it directly, and loopback, which nobody outside can answer. By the port that the packet
 * came for, too: what others redirect to the same pods is theirs.
 */
function hide(port: HostPort, { family, bits }: Family): readonly string[] {
  const { protocol, hostPort, podIp, prefix, containerPort } = port;
  const sources = [
    ...(family === 4 ? ["127.0.0.0/8"] : []),
    prefix >= bits ? `${podIp}/${bits}` : `${podIp}/${prefix}`,
  ];
  return sources.map((source) =>
    `-s ${source} -d ${podIp}/${bits} -p ${protocol} -m ${protocol} --dport ${containerPort} ` +
    `-m conntrack --ctstate DNAT --ctorigdstport ${hostPort} -j MASQUERADE`
  );
}

function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)];
}
