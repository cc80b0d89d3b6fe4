/**
 * A node whose CNI network leaves host ports to crid, another machine on its network, and programs
 * that talk to each other from any of these places.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { join } from "@std/path";
import type { PodSandboxConfig, PortMapping } from "../../../src/gen/runtime/v1/api.ts";
import { DEFAULT_PATH, exit, killGroup, run, start } from "../../../src/linux/mod.ts";
import {
  type Crid,
  isolate,
  type Isolation,
  output,
  podConfig,
  runPod,
  startCrid,
} from "../../harness/mod.ts";
import type { Partially } from "../../harness/mod.ts";

/** Addresses of the node and of the other machine on the wire between them. */
export const NODE = { v4: "192.0.2.1", v6: "2001:db8::1", other: "192.0.2.3" } as const;
export const OUTSIDE = { v4: "192.0.2.2", v6: "2001:db8::2" } as const;

const ECHO = new URL("./port_echo.ts", import.meta.url).pathname;
const PERMISSIONS = ["run", "--allow-net", "--allow-env", "--no-lock", "--no-config", ECHO];

export interface ServedPod {
  readonly id: string;
  readonly name: string;
  /** Its addresses, the one of IPv4 first. */
  readonly ips: readonly string[];
  /** Put before a command line, runs it in the pod's network. */
  readonly through: readonly string[];
}

export interface HostPortNode extends AsyncDisposable {
  readonly crid: Crid;
  /** Put before a command line, runs it on the node or on the other machine. */
  readonly node: readonly string[];
  readonly outside: readonly string[];
  /** Runs a pod that answers on ports 80 of TCP and 53 of UDP with its name and the asker's address. */
  servedPod(mappings: Partially<PortMapping>[]): Promise<ServedPod>;
  podConfig(mappings: Partially<PortMapping>[]): Partially<PodSandboxConfig>;
  remove(pod: ServedPod): Promise<void>;
  /** What a server answers, or `undefined` when none does. */
  ask(
    from: readonly string[],
    protocol: "tcp" | "udp",
    address: string,
    port: number,
  ): Promise<string | undefined>;
  /** The tables of crid in the packet filter. */
  tables(): Promise<readonly string[]>;
}

/** @param filter What the node can set up its packet filter with. */
export async function startHostPortNode(
  settings = "",
  filter: "nftables" | "iptables" = "nftables",
): Promise<HostPortNode> {
  await using building = new AsyncDisposableStack();
  const isolation = building.use(await isolate());
  if (filter === "iptables") await breakNft(isolation, building);
  const wire = building.use(await isolate());
  const onNode = (...args: string[]) => output(isolation, "ip", args);
  await onNode("link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", `${wire.pid}`);
  const addresses = [[isolation, [NODE.v4, NODE.other, NODE.v6]], [wire, [
    OUTSIDE.v4,
    OUTSIDE.v6,
  ]]] as const;
  for (const [where, list] of addresses) {
    await output(where, "ip", ["link", "set", "up0", "up"]);
    for (const address of list) {
      const args = address.includes(":") ? [`${address}/64`, "nodad"] : [`${address}/24`];
      await output(where, "ip", ["address", "add", ...args, "dev", "up0"]);
    }
  }
  const crid = building.use(await startCrid({ isolation, settings }));
  await Deno.writeTextFile(join(crid.node.cniConf, "10-test.conflist"), conflist(crid));
  const servers = building.use(new AsyncDisposableStack());
  const stack = building.move();

  const config = (portMappings: Partially<PortMapping>[]) => podConfig(crid, { portMappings });
  return {
    crid,
    node: isolation.through,
    outside: wire.through,
    podConfig: config,
    async servedPod(mappings) {
      const sandbox = config(mappings);
      const id = await runPod(crid, sandbox);
      const pod = await podOf(crid, id, isolation.through);
      const name = sandbox.metadata!.name!;
      servers.defer(await serve(pod.through, name));
      return { ...pod, id, name };
    },
    async remove({ id: podSandboxId }) {
      await crid.client.runtime.stopPodSandbox({ podSandboxId });
      await crid.client.runtime.removePodSandbox({ podSandboxId });
    },
    async ask(from, protocol, address, port) {
      const line = [...from, Deno.execPath(), ...PERMISSIONS, protocol, address, String(port)];
      const { code, stdout } = await run(line[0]!, line.slice(1), { timeoutMs: 30_000 });
      return code === 0 ? new TextDecoder().decode(stdout).trim() : undefined;
    },
    async tables() {
      if (filter === "nftables") {
        const list = await output(isolation, "nft", ["list", "tables"]);
        return list.split("\n").filter((line) => line.includes("crid_hostports"));
      }
      const programs = ["iptables-save", "ip6tables-save"];
      const saved = await Promise.all(programs.map((program) => output(isolation, program, [])));
      return saved.join("").split("\n").filter((line) => line.includes("CRID-"));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** As on a kernel without nftables. */
async function breakNft(isolation: Isolation, stack: AsyncDisposableStack): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "crid-no-nft-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const broken = join(directory, "nft");
  await Deno.writeTextFile(broken, "#!/bin/sh\necho Protocol not supported >&2\nexit 1\n", {
    mode: 0o755,
  });
  const nft = (await output(isolation, "sh", ["-c", "command -v nft"])).trim();
  await output(isolation, "mount", ["--bind", broken, nft]);
}

async function podOf(
  crid: Crid,
  podSandboxId: string,
  through: readonly string[],
): Promise<Pick<ServedPod, "ips" | "through">> {
  const { status, info } = await crid.client.runtime.podSandboxStatus({
    podSandboxId,
    verbose: true,
  });
  const { runtimeSpec } = JSON.parse(info["info"]!) as {
    runtimeSpec: { linux: { namespaces: { type: string; path: string }[] } };
  };
  const netns = runtimeSpec.linux.namespaces.find(({ type }) => type === "network")!.path;
  const { ip, additionalIps } = status!.network!;
  return {
    ips: [ip, ...additionalIps.map((each) => each.ip)],
    through: [...through, "nsenter", `--net=${netns}`],
  };
}

/** Starts a server; what ends it. */
async function serve(through: readonly string[], name: string): Promise<() => Promise<void>> {
  const [command, ...args] = ["setpriv", "--pdeathsig", "KILL", "--", ...through];
  const child = start(command!, [...args, Deno.execPath(), ...PERMISSIONS, "serve", name], {
    env: { PATH: DEFAULT_PATH, HOME: Deno.env.get("HOME") ?? "/" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = exit(child, command!);
  const listening = new Promise((resolve) =>
    createInterface({ input: child.stdout! }).once("line", resolve)
  );
  await Promise.race([
    listening,
    ended.then(({ code }) => Promise.reject(new Error(`the server ended with ${code}`))),
  ]);
  return async () => {
    killGroup(child);
    await ended;
  };
}

/** The harness's network in both families, without the portmap plugin. */
function conflist({ node }: Crid): string {
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: node.network,
    plugins: [{
      type: "bridge",
      bridge: node.network,
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        dataDir: node.ipam,
        ranges: [[{ subnet: `${node.subnet}.0/24` }], [{ subnet: "fd00:c71d::/64" }]],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
      },
    }],
  });
}
