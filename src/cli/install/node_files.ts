/**
 * What a node needs beside crid itself, for a node that has nothing yet.
 *
 * @module
 */
import { join } from "@std/path";
import { type Config, printFile, runtimeHandler } from "../../config/mod.ts";
import { serviceUnit } from "./unit.ts";

/** Where crid and its service go. */
export const PROGRAM = "/usr/local/bin/crid";
export const UNIT = "/etc/systemd/system/crid.service";

/** One file that installing puts on a node. */
export interface NodeFile {
  readonly path: string;
  readonly text: string;
  /** `ours` is kept up to date; `node` belongs to whoever runs the node once it is there. */
  readonly owner: "ours" | "node";
}

/** How this host differs from what crid takes for granted. */
export interface HostPrograms {
  /** Absolute paths of the OCI runtimes that are there, by name. */
  readonly runtimes: ReadonlyMap<string, string>;
  /** Directories that hold CNI plugins. */
  readonly pluginDirs: readonly string[];
  /** Whether the CNI directory already names a network. */
  readonly hasNetwork: boolean;
}

/** All files, the service's first. */
export function nodeFiles(config: Config, defaults: Config, host: HostPrograms): NodeFile[] {
  const adapted = adaptToHost(config, defaults, host);
  const endpoint = `unix://${config.api.listen}`;
  const node = (path: string, text: string): NodeFile => ({ path, text, owner: "node" });
  return [
    { path: UNIT, text: serviceUnit(PROGRAM), owner: "ours" },
    node("/etc/crio/crio.conf", printFile(adapted, { defaults })),
    ...host.hasNetwork
      ? []
      : [node(join(config.network.network_dir, "11-crid-ipv4-bridge.conflist"), CONFLIST)],
    node("/etc/crictl.yaml", `runtime-endpoint: ${endpoint}\nimage-endpoint: ${endpoint}\n`),
    node("/etc/containers/policy.json", POLICY),
    node("/etc/containers/registries.conf", REGISTRIES),
  ];
}

/** Names what the host has where the defaults would not be found. */
function adaptToHost(config: Config, defaults: Config, host: HostPrograms): Config {
  const { runtime, network } = config;
  const [usual] = Object.values(defaults.runtime.runtimes);
  const added = Array.from(host.runtimes.keys())
    .filter((name) => runtimeHandler(config, name) === undefined && usual !== undefined)
    .map((name) => [name, { ...usual, runtime_root: `/run/${name}`, container_min_memory: "" }]);
  const known = Object.entries(runtime.runtimes)
    .filter(([name, { runtime_path }]) => runtime_path !== "" || host.runtimes.has(name));
  const runtimes = Object.fromEntries([...known, ...added]);
  const wanted = runtime.default_runtime || "crun";
  const [first = wanted] = Object.keys(runtimes);
  const plugins = new Set([...network.plugin_dirs, ...host.pluginDirs]);
  return {
    ...config,
    runtime: {
      ...runtime,
      default_runtime: Object.hasOwn(runtimes, wanted) ? runtime.default_runtime : first,
      runtimes: first in runtimes ? runtimes : runtime.runtimes,
    },
    network: { ...network, plugin_dirs: [...plugins] },
  };
}

/** Pods on a bridge of this node, with addresses that CRI-O's example has too. */
const CONFLIST = JSON.stringify(
  {
    cniVersion: "1.0.0",
    name: "crio",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          routes: [{ dst: "0.0.0.0/0" }],
          ranges: [[{ subnet: "10.85.0.0/16" }]],
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  },
  undefined,
  2,
) + "\n";

/** Images are not asked for signatures, as every distribution has it. */
const POLICY = JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }, undefined, 2) +
  "\n";

const REGISTRIES = `# Where images come from; containers-registries.conf(5).

# Registries for names without one, such as "busybox".
unqualified-search-registries = ["docker.io"]

# A mirror of a registry:
# [[registry]]
# location = "docker.io"
# [[registry.mirror]]
# location = "registry.example.com/docker"
`;
