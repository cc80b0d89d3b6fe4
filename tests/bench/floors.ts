/**
 * What the parts cost without crid: a namespace, the CNI plugins, the OCI runtime, gzip and tar.
 *
 * @module
 */
import { join } from "@std/path";
import { DEFAULT_PATH, exit, start } from "../../src/linux/mod.ts";
import { output } from "../harness/mod.ts";
import { time } from "./measure.ts";

const CNI = "/usr/lib/cni";
/** How often a process that is no child is looked at. */
const LOOK_INTERVAL_MS = 1;

/** Milliseconds of a pod's network: made, and taken away. */
export interface NetworkFloor {
  readonly up: number;
  readonly down: number;
}

/** Makes a namespace with loopback, calls bridge and portmap for it, and undoes all of it. */
export async function networkFloor(directory: string, number: number): Promise<NetworkFloor> {
  const name = `floor${number}`;
  const netns = `/run/netns/${name}`;
  const bridge = {
    cniVersion: "1.0.0",
    name: "floor",
    type: "bridge",
    bridge: "floor0",
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      dataDir: join(directory, "ipam"),
      ranges: [[{ subnet: "10.127.0.0/16" }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
  const portmap = { cniVersion: "1.0.0", name: "floor", type: "portmap", snat: true };
  let prevResult: unknown;
  const up = await time(async () => {
    await output(undefined, "ip", ["netns", "add", name]);
    await output(undefined, "ip", ["-n", name, "link", "set", "lo", "up"]);
    prevResult = JSON.parse(await plugin("ADD", name, netns, bridge));
    await plugin("ADD", name, netns, { ...portmap, prevResult });
  });
  const down = await time(async () => {
    await plugin("DEL", name, netns, { ...portmap, prevResult });
    await plugin("DEL", name, netns, { ...bridge, prevResult });
    await output(undefined, "ip", ["netns", "delete", name]);
  });
  return { up, down };
}

async function plugin(
  command: "ADD" | "DEL",
  id: string,
  netns: string,
  config: { readonly type: string; readonly [key: string]: unknown },
): Promise<string> {
  const child = start(join(CNI, config.type), [], {
    env: {
      PATH: DEFAULT_PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: CNI,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let result = "";
  child.stdout!.on("data", (text) => result += text);
  child.stdin!.end(JSON.stringify(config));
  const { code } = await exit(child, config.type);
  if (code !== 0) throw new Error(`${config.type} ${command}: ${result}`);
  return result;
}

/** Milliseconds of a container by the runtime alone. */
export interface RuntimeFloor {
  /** `create` and `start`. */
  readonly start: number;
  /** From the signal to the end of the process. */
  readonly stop: number;
}

/** What {@linkcode runtimeFloor} runs. */
export interface Bundle {
  readonly runtime: string;
  readonly path: string;
}

/** A bundle whose process obeys SIGTERM, on a root file system unpacked from `layer`. */
export async function makeBundle(
  runtime: string,
  directory: string,
  layer: string,
): Promise<Bundle> {
  const path = join(directory, "bundle");
  const rootfs = join(path, "rootfs");
  await Deno.mkdir(rootfs, { recursive: true });
  await output(undefined, "tar", ["-xzf", layer, "-C", rootfs]);
  await output(undefined, runtime, ["spec", "--bundle", path]);
  const config = JSON.parse(await Deno.readTextFile(join(path, "config.json")));
  config.process.terminal = false;
  config.process.args = OBEDIENT;
  // Raising limits needs a capability that not every host has.
  config.process.rlimits = [];
  await Deno.writeTextFile(join(path, "config.json"), JSON.stringify(config));
  return { runtime, path };
}

/** A command that waits, and ends on SIGTERM even as process 1. */
export const OBEDIENT = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"] as const;

export async function runtimeFloor(
  { runtime, path }: Bundle,
  number: number,
): Promise<RuntimeFloor> {
  const id = `crid-floor-${number}`;
  const root = ["--root", join(path, "state")];
  const runtimeCommand = (...args: readonly string[]) => silent(runtime, [...root, ...args]);
  const started = await time(async () => {
    await runtimeCommand("create", "--bundle", path, id);
    await runtimeCommand("start", id);
  });
  const { pid } = JSON.parse(await output(undefined, runtime, [...root, "state", id]));
  await obeys(pid);
  const stop = await time(async () => {
    await runtimeCommand("kill", id, "TERM");
    await ended(pid);
  });
  await runtimeCommand("delete", "--force", id);
  return { start: started, stop };
}

/** Runs a program without pipes: a container's process would keep them open. */
async function silent(command: string, args: readonly string[]): Promise<void> {
  const child = start(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  const { code } = await exit(child, command);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit code ${code}`);
}

/** Waits until a process handles SIGTERM: before that, a container's first process ignores it. */
export async function obeys(pid: number): Promise<void> {
  const term = 1n << 14n;
  await looks(pid, "status", (text) => {
    const caught = /SigCgt:\s+([0-9a-f]+)/.exec(text)?.[1] ?? "0";
    return (BigInt(`0x${caught}`) & term) !== 0n;
  });
}

/** Waits until a process is gone or a zombie. */
async function ended(pid: number): Promise<void> {
  await looks(pid, "stat", (text) => / [ZX] /.test(text));
}

/** Reads a file of a process until it says what is waited for, or the process is gone. */
async function looks(pid: number, name: string, done: (text: string) => boolean): Promise<void> {
  for (;;) {
    const text = await Deno.readTextFile(`/proc/${pid}/${name}`).catch(() => "");
    if (text === "" || done(text)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
}

/** Milliseconds that gzip and tar need for layers, `parallel` at a time, each into a directory. */
export async function unpackFloor(
  directory: string,
  blobs: readonly string[],
  parallel: number,
): Promise<number> {
  const target = await Deno.makeTempDir({ dir: directory, prefix: "floor-" });
  const queue = blobs.map((blob, number) => ({ blob, path: join(target, String(number)) }));
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      await Deno.mkdir(job.path);
      await output(undefined, "sh", [
        "-c",
        `gzip -dc "$0" | tar -xf - -C "$1"`,
        job.blob,
        job.path,
      ]);
    }
  };
  const taken = await time(() => Promise.all(Array.from({ length: parallel }, worker)));
  await Deno.remove(target, { recursive: true });
  return taken;
}
