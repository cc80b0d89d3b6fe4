import { isCode } from "../../failure/mod.ts";
import { run } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import { excerpt } from "../excerpt.ts";
import { iptables } from "./iptables.ts";
import { nftables } from "./nftables.ts";
import { FILTER_MS } from "./run_filter.ts";
import type { HostPort } from "./types.ts";

/** What maps host ports in the kernel. */
export interface PacketFilter {
  /**
   * Maps these ports and no others.
   *
   * @param localInterfaces Those that packets from 127.0.0.1 may leave through.
   */
  replace(ports: readonly HostPort[], localInterfaces: readonly string[]): Promise<void>;
}

/** The programs that set up a packet filter; tests give their own. */
export interface FilterPrograms {
  /** Default `nft`. */
  readonly nft?: string | undefined;
  /** Default `iptables`, which `-save` and `-restore` are put behind, and `6` into. */
  readonly iptables?: string | undefined;
}

/**
 * nftables where it can be used, else iptables.
 *
 * @param name Unique on the node.
 * @returns `undefined` when the host has neither.
 */
export async function choosePacketFilter(
  name: string,
  programs: FilterPrograms,
): Promise<PacketFilter | undefined> {
  const nft = programs.nft ?? "nft";
  const refusal = await refusalOf(nft, ["--check", "--file", "-"], PROBE);
  if (refusal === undefined) return nftables(name, nft);
  const family = programs.iptables ?? "iptables";
  const other = await refusalOf(`${family}-save`, ["-t", "nat"]);
  if (other !== undefined) {
    log.debug(`No packet filter for host ports: ${refusal}; ${other}`);
    return undefined;
  }
  log.info(`Host ports are mapped by iptables, as nftables cannot be used: ${refusal}`);
  return iptables(name, family);
}

/** A kernel may have nftables without tables for IPv4, or without NAT; asked for, and not made. */
const PROBE = `table ip crid_probe {
  chain probe { type nat hook prerouting priority -100; }
}
`;

/** Why a program cannot be used. */
async function refusalOf(
  program: string,
  args: readonly string[],
  stdin = "",
): Promise<string | undefined> {
  try {
    const { code, stderr } = await run(program, args, { stdin, timeoutMs: FILTER_MS });
    return code === 0 ? undefined : `${program}: ${excerpt(new TextDecoder().decode(stderr))}`;
  } catch (error) {
    if (isCode(error, "failed_precondition")) return `there is no ${program}`;
    throw error;
  }
}
