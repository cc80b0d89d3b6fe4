import { log } from "../../observe/mod.ts";
import { type FlagSpec, textOf, UsageError } from "../arguments.ts";
import type { Call, Command } from "../command.ts";
import { helpText } from "../help.ts";
import { print } from "../output.ts";
import { get } from "../unix_http.ts";

const SOCKET = "/var/run/crio/crio.sock";

const SOCKET_FLAG: FlagSpec = {
  name: "socket",
  aliases: ["s"],
  kind: "text",
  doc: "The running crid's socket.",
  usual: SOCKET,
};

/** `crid status` */
export const STATUS: Command = {
  name: "status",
  aliases: [],
  summary: "Ask the running crid about itself",
  flags: [SOCKET_FLAG],
  commands: [
    {
      name: "config",
      aliases: ["c"],
      summary: "Print its configuration as TOML",
      flags: [],
      run: printAnswer("/config"),
    },
    {
      name: "containers",
      aliases: ["container", "cs", "s"],
      summary: "Print what it knows about a container or pod",
      flags: [{ name: "id", aliases: ["i"], kind: "text", doc: "The whole id. Required." }],
      run: printContainer,
    },
    {
      name: "info",
      aliases: ["i"],
      summary: "Print its cgroup driver, storage and id mappings",
      flags: [],
      run: printInfo,
    },
    {
      name: "goroutines",
      aliases: ["g"],
      summary: "Print the calls that it is working on",
      flags: [],
      run: printAnswer("/debug/goroutines"),
    },
    {
      name: "heap",
      aliases: ["hp"],
      summary: "Write a heap snapshot to a file",
      flags: [{
        name: "file",
        aliases: ["f"],
        kind: "text",
        doc: 'Where to write it; "-" means standard output.',
        usual: "crio-heap-<time>.out",
      }],
      run: writeHeap,
    },
  ],
  run({ command, given }) {
    const [word] = given.rest;
    if (word !== undefined) throw new UsageError(`command "${word}" not supported`);
    print(helpText(command, ["crid", "status"]));
    return 0;
  },
};

function ask({ given }: Call, path: string): Promise<Uint8Array> {
  return get(textOf(given, "socket") ?? SOCKET, path);
}

async function askJson(call: Call, path: string): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await ask(call, path)));
}

function printAnswer(path: string) {
  return async (call: Call): Promise<number> => {
    print(new TextDecoder().decode(await ask(call, path)));
    return 0;
  };
}

/** `GET /containers/{id}`, as far as it is printed. */
interface ContainerAnswer {
  readonly name: string;
  readonly pid: number;
  readonly image: string;
  readonly image_ref: string;
  /** Nanoseconds of the epoch; their last digits are lost in a double. */
  readonly created_time: number;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly annotations: Readonly<Record<string, string>> | null;
  readonly crio_annotations: Readonly<Record<string, string>> | null;
  readonly log_path: string;
  readonly root: string;
  readonly sandbox: string;
  readonly ip_addresses: readonly string[] | null;
}

async function printContainer(call: Call): Promise<number> {
  const id = textOf(call.given, "id") ?? "";
  if (id === "") throw new UsageError("the argument --id cannot be empty");
  const path = `/containers/${encodeURIComponent(id)}`;
  const about = await askJson(call, path) as ContainerAnswer;
  const lines = [
    `name: ${about.name}`,
    `pid: ${about.pid}`,
    `image: ${about.image}`,
    `image ref: ${about.image_ref}`,
    `created: ${new Date(about.created_time / 1e6).toISOString()}`,
    ...pairs("labels", about.labels),
    ...pairs("annotations", about.annotations),
    ...pairs("CRI-O annotations", about.crio_annotations),
    `log path: ${about.log_path}`,
    `graph root: ${about.root}`,
    `sandbox: ${about.sandbox}`,
    `ips: ${(about.ip_addresses ?? []).join(", ")}`,
  ];
  print(lines.join("\n") + "\n");
  return 0;
}

function pairs(title: string, map: Readonly<Record<string, string>> | null): string[] {
  const keys = Object.keys(map ?? {}).sort();
  return [`${title}:`, ...keys.map((key) => `  ${key}: ${map![key]}`)];
}

interface IdMapping {
  readonly container_id: number;
  readonly host_id: number;
  readonly size: number;
}

/** `GET /info`. */
interface InfoAnswer {
  readonly storage_driver: string;
  readonly storage_image: string;
  readonly storage_root: string;
  readonly cgroup_driver: string;
  readonly default_id_mappings: {
    readonly uids: readonly IdMapping[];
    readonly gids: readonly IdMapping[];
  };
}

async function printInfo(call: Call): Promise<number> {
  const info = await askJson(call, "/info") as InfoAnswer;
  const lines = [
    `cgroup driver: ${info.cgroup_driver}`,
    `storage driver: ${info.storage_driver}`,
    `storage graph root: ${info.storage_root}`,
    `storage image: ${info.storage_image}`,
    ...mappings("GID", info.default_id_mappings.gids),
    ...mappings("UID", info.default_id_mappings.uids),
  ];
  print(lines.join("\n") + "\n");
  return 0;
}

function mappings(kind: string, maps: readonly IdMapping[]): string[] {
  return [
    `default ${kind} mappings (format <container>:<host>:<size>):`,
    ...maps.map(({ container_id, host_id, size }) => `  ${container_id}:${host_id}:${size}`),
  ];
}

async function writeHeap(call: Call): Promise<number> {
  const snapshot = await ask(call, "/debug/heap");
  const time = new Date().toISOString().replaceAll(":", "");
  const file = textOf(call.given, "file") ?? `crio-heap-${time}.out`;
  if (file === "-") print(snapshot);
  else {
    await Deno.writeFile(file, snapshot, { mode: 0o600 });
    log.info(`Wrote heap dump to: ${file}`);
  }
  return 0;
}
