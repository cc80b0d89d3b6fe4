import { CridError, errorMessage, wrapError } from "../../failure/mod.ts";
import { run, writeKernelFile } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import { choosePacketFilter, type FilterPrograms, type PacketFilter } from "./packet_filter.ts";
import { interfaceTo } from "./routes.ts";
import type { HostPort, PodHostPorts } from "./types.ts";

const CONNTRACK_MS = 5_000;

/**
 * Host ports that no CNI plugin maps: rules of the kernel's packet filter, for each crid of the node
 * its own, which always say what this says. What a killed crid has left is set right by the next
 * {@linkcode HostPorts.replace}.
 */
export class HostPorts {
  readonly #table: string;
  readonly #programs: FilterPrograms;
  #filter: Promise<PacketFilter | undefined> | undefined;
  #pods: ReadonlyMap<string, PodHostPorts> = new Map();
  /** The kernel may say something else. What an earlier crid has left is for `replace` to settle. */
  #stale = false;
  #writing: Promise<void> = Promise.resolve();
  /** The writing that has not begun, for all who have come since the last one began. */
  #next: Promise<void> | undefined;

  /** @param table Names the rules; nobody else's. */
  constructor(table: string, programs: FilterPrograms = {}) {
    this.#table = table;
    this.#programs = programs;
  }

  /**
   * Maps the ports of a pod, in place of those it had.
   *
   * @throws {CridError} `already_exists` when another pod has one of them, `failed_precondition` when
   * the host has no packet filter.
   */
  async add(pod: PodHostPorts): Promise<void> {
    if (pod.ports.length === 0) return await this.remove(pod.id);
    this.#refuseTaken(pod);
    this.#set([...this.#others(pod.id), pod]);
    try {
      await this.#write();
    } catch (error) {
      this.#set(this.#others(pod.id));
      throw wrapError(`map the host ports of pod ${pod.name}`, error);
    }
    await forgetFlows(pod.ports);
  }

  /** Takes the mappings of a pod away; one without any is fine. */
  async remove(id: string): Promise<void> {
    const pod = this.#pods.get(id);
    if (pod !== undefined) this.#set(this.#others(id));
    else if (!this.#stale) return;
    await this.#write();
    await forgetFlows(pod?.ports ?? []);
  }

  /** Maps the ports of these pods and no others. */
  async replace(pods: readonly PodHostPorts[]): Promise<void> {
    this.#set(pods.filter(({ ports }) => ports.length > 0));
    await this.#write();
  }

  #set(pods: readonly PodHostPorts[]): void {
    this.#pods = new Map(pods.map((pod) => [pod.id, pod]));
    this.#stale = true;
  }

  #others(id: string): readonly PodHostPorts[] {
    return Array.from(this.#pods.values()).filter((pod) => pod.id !== id);
  }

  #refuseTaken(pod: PodHostPorts): void {
    for (const other of this.#others(pod.id)) {
      const taken = pod.ports.find((port) => other.ports.some((own) => isSame(port, own)));
      if (taken === undefined) continue;
      const { hostPort, protocol } = taken;
      throw new CridError(
        "already_exists",
        `map the host ports of pod ${pod.name}: ${protocol} port ${hostPort} is pod ${other.name}'s`,
      );
    }
  }

  /** One at a time; all who come meanwhile share the next. */
  #write(): Promise<void> {
    this.#next ??= this.#writing.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#writing = this.#writeNow();
    });
    return this.#next;
  }

  /** Chosen once; a host that has none may get one later. */
  async #packetFilter(): Promise<PacketFilter | undefined> {
    this.#filter ??= choosePacketFilter(this.#table, this.#programs);
    const filter = await this.#filter.catch((error) => {
      this.#filter = undefined;
      throw error;
    });
    if (filter === undefined) this.#filter = undefined;
    return filter;
  }

  async #writeNow(): Promise<void> {
    const pods = this.#pods;
    const ports = Array.from(pods.values()).flatMap((pod) => pod.ports);
    const interfaces = openToLoopback(ports);
    const filter = await this.#packetFilter();
    // Without one nothing can have been mapped.
    if (filter === undefined && ports.length > 0) throw withoutFilter();
    await filter?.replace(ports, interfaces);
    if (this.#pods === pods) this.#stale = false;
  }
}

function withoutFilter(): CridError {
  return new CridError(
    "failed_precondition",
    "neither nft nor iptables can be used: install nftables, or add the portmap plugin to the CNI " +
      "network, or set disable_hostport_mapping = true to leave host ports unmapped",
  );
}

/** Whether two mappings are for the very same packets. */
function isSame(a: HostPort, b: HostPort): boolean {
  return a.hostPort === b.hostPort && a.protocol === b.protocol && a.family === b.family &&
    a.hostIp === b.hostIp;
}

/** Lets packets from 127.0.0.1 leave towards the pods; the names of the interfaces that they take. */
function openToLoopback(ports: readonly HostPort[]): readonly string[] {
  const addresses = ports
    .filter(({ family, hostIp }) => family === 4 && (hostIp ?? "127.").startsWith("127."))
    .map(({ podIp }) => interfaceTo(podIp));
  const names = new Set(addresses.filter((name) => name !== undefined));
  for (const name of names) {
    try {
      writeKernelFile(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, "1");
    } catch (error) {
      log.warn(`Host ports do not answer on 127.0.0.1: ${errorMessage(error)}`);
    }
  }
  return [...names];
}

/**
 * Packets of UDP that came before have made the kernel remember that they go elsewhere; as long as the
 * client goes on sending, it does. Best effort, as few hosts have the program.
 */
async function forgetFlows(ports: readonly HostPort[]): Promise<void> {
  const datagrams = new Set(
    ports.filter(({ protocol }) => protocol === "udp").map(({ hostPort }) => hostPort),
  );
  for (const port of datagrams) {
    try {
      await run("conntrack", ["-D", "-p", "udp", "--orig-port-dst", String(port)], {
        timeoutMs: CONNTRACK_MS,
      });
    } catch (error) {
      log.debug(`Flows to UDP port ${port} are left as they are: ${errorMessage(error)}`);
      return;
    }
  }
}
