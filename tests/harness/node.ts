/**
 * The directories and files that one crid under test has to itself.
 *
 * @module
 */
import { join } from "@std/path";

/** Everything of one node. All paths lie below {@linkcode Node.directory}. */
export interface Node {
  readonly directory: string;
  /** Unique among running tests, short enough for names of network interfaces. */
  readonly id: string;
  readonly config: string;
  readonly configDropIns: string;
  readonly socket: string;
  readonly storageRoot: string;
  readonly runRoot: string;
  readonly exits: string;
  readonly logs: string;
  readonly namespaces: string;
  readonly runtimeRoot: string;
  readonly registriesConf: string;
  readonly cniConf: string;
  readonly ipam: string;
  readonly crictlConfig: string;
  /** Name of the bridge interface and of the CNI network. */
  readonly network: string;
  /** First three numbers of the pod network's addresses: `10.88.3`. */
  readonly subnet: string;
  /** For pod configs, so that the node's cgroups can be told from others'. */
  readonly cgroupParent: string;
}

export interface NodeOptions {
  /** `host:port` of the registry that stands in for those of the test images. */
  readonly registry?: string;
  /** Default runc. Both are configured, by their names. */
  readonly runtime?: "runc" | "crun";
  /** More configuration, TOML; its keys win over the harness's. */
  readonly settings?: string;
  /** Replaces registries.conf. */
  readonly registries?: string;
}

/** Registries that the test images are named after. */
const MIRRORED = [
  "registry.k8s.io",
  "gcr.io",
  "k8s.gcr.io",
  "docker.io",
  "public.ecr.aws",
  "quay.io",
] as const;

/** Makes the directories and writes every configuration file. */
export async function makeNode(options: NodeOptions): Promise<Node> {
  const directory = await Deno.makeTempDir({ prefix: "crid-" });
  const [first, second, third] = crypto.getRandomValues(new Uint8Array(3));
  const id = [first, second, third].map((byte) => byte!.toString(16).padStart(2, "0")).join("");
  const node: Node = {
    directory,
    id,
    config: join(directory, "crio.conf"),
    configDropIns: join(directory, "crio.conf.d"),
    socket: join(directory, "crid.sock"),
    storageRoot: join(directory, "storage"),
    runRoot: join(directory, "run"),
    exits: join(directory, "exits"),
    logs: join(directory, "logs"),
    namespaces: join(directory, "ns"),
    runtimeRoot: join(directory, "oci"),
    registriesConf: join(directory, "registries.conf"),
    cniConf: join(directory, "cni"),
    ipam: join(directory, "ipam"),
    crictlConfig: join(directory, "crictl.yaml"),
    network: `crid${id}`,
    // 10.128.0.0/9, which podman and the CNI examples leave alone.
    subnet: `10.${128 + (first! & 127)}.${second!}`,
    cgroupParent: `/crid-test-${id}`,
  };
  for (const path of [node.configDropIns, node.cniConf, node.logs]) await Deno.mkdir(path);
  const registries = options.registries ?? registriesConf(options.registry);
  await Promise.all([
    Deno.writeTextFile(node.config, crioConf(node, options.runtime ?? "runc")),
    Deno.writeTextFile(node.registriesConf, registries),
    Deno.writeTextFile(join(directory, "policy.json"), POLICY),
    Deno.writeTextFile(join(node.cniConf, "10-test.conflist"), conflist(node)),
    Deno.writeTextFile(node.crictlConfig, crictlConfig(node)),
    ...options.settings === undefined
      ? []
      : [Deno.writeTextFile(join(node.configDropIns, "50-test.conf"), options.settings)],
  ]);
  return node;
}

const POLICY = JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] });

function crioConf(node: Node, runtime: string): string {
  const at = (name: string) => JSON.stringify(join(node.directory, name));
  return `[crio]
root = ${JSON.stringify(node.storageRoot)}
runroot = ${JSON.stringify(node.runRoot)}
storage_driver = "overlay"
log_dir = ${JSON.stringify(node.logs)}
version_file = ${at("version")}
clean_shutdown_file = ${at("clean.shutdown")}

[crio.api]
listen = ${JSON.stringify(node.socket)}
stream_address = "127.0.0.1"
stream_port = "0"

[crio.runtime]
default_runtime = ${JSON.stringify(runtime)}
cgroup_manager = "cgroupfs"
container_exits_dir = ${JSON.stringify(node.exits)}
container_attach_socket_dir = ${at("attach")}
namespaces_dir = ${JSON.stringify(node.namespaces)}
hooks_dir = [${at("hooks.d")}]
cdi_spec_dirs = [${at("cdi")}]
decryption_keys_path = ${at("keys")}
irqbalance_config_file = ${at("irqbalance")}
irqbalance_config_restore_file = "disable"

${["runc", "crun"].map((name) => runtimeTable(node, name)).join("\n")}
[crio.image]
signature_policy = ${at("policy.json")}
signature_policy_dir = ${at("policies")}
namespaced_auth_dir = ${at("auth")}
big_files_temporary_dir = ${at("big")}

[crio.network]
network_dir = ${JSON.stringify(node.cniConf)}
plugin_dirs = ["/usr/lib/cni"]

[crio.nri]
enable_nri = false
nri_listen = ${at("nri.sock")}
`;
}

function runtimeTable(node: Node, name: string): string {
  return `[crio.runtime.runtimes.${name}]
runtime_path = ${JSON.stringify(name === "runc" ? "/usr/sbin/runc" : "/usr/bin/crun")}
runtime_root = ${JSON.stringify(join(node.runtimeRoot, name))}
`;
}

function registriesConf(registry: string | undefined): string {
  if (registry === undefined) return "";
  const mirrored = MIRRORED.map((location) =>
    `[[registry]]
location = "${location}"
[[registry.mirror]]
location = "${registry}"
insecure = true
`
  );
  return `unqualified-search-registries = ["docker.io"]
${mirrored.join("\n")}
[[registry]]
location = "${registry}"
insecure = true
`;
}

function conflist(node: Node): string {
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: node.network,
    plugins: [
      {
        type: "bridge",
        bridge: node.network,
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: node.ipam,
          ranges: [[{ subnet: `${node.subnet}.0/24` }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ],
  });
}

function crictlConfig(node: Node): string {
  return `runtime-endpoint: unix://${node.socket}\nimage-endpoint: unix://${node.socket}\ntimeout: 60\n`;
}
