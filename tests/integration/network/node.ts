import { execFileSync, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { createNetwork, type Network, type NetworkPod } from "../../../src/network/mod.ts";
import { Logger } from "../../../src/observe/mod.ts";

Logger.configure({ level: "error" });

const PLUGINS = "/usr/lib/cni";
let made = 0;

/**
 * A node of its own for one test: its network namespace stands for the host's, so that bridges and
 * firewall rules of the real plugins touch nothing else. Disposing it takes everything away.
 */
export interface Node extends Disposable {
  readonly root: string;
  readonly network: Network;
  /** Makes and pins a pod's network namespace with the loopback up, as pinns does. */
  pod(name: string, more?: Partial<NetworkPod>): NetworkPod;
  unpin(pod: NetworkPod): void;
  /** Runs a program in the node's network and returns what it printed. */
  onNode(...command: string[]): string;
  inPod(pod: NetworkPod, ...command: string[]): string;
  /** Starts a program in the pod's network that ends with the test. */
  serve(pod: NetworkPod, ...command: string[]): void;
  /** What host-local has given away. */
  reservations(): readonly string[];
}

/** A node whose pods get `plugins`. */
export async function makeNode(list: object): Promise<Node> {
  const tag = `crid-n${process.pid}-${made++}`;
  const root = Deno.makeTempDirSync({ prefix: "crid-cni-" });
  const namespaces: string[] = [];
  const children: number[] = [];
  const addNamespace = (name: string) => {
    run("ip", "netns", "add", name);
    namespaces.push(name);
    run("ip", "-n", name, "link", "set", "lo", "up");
    return `/run/netns/${name}`;
  };
  const host = addNamespace(tag);
  for (const directory of ["net.d", "bin"]) Deno.mkdirSync(`${root}/${directory}`);
  for (const name of readdirSync(PLUGINS)) {
    const script = `#!/bin/sh\nexec nsenter --net=${host} ${PLUGINS}/${name}\n`;
    Deno.writeTextFileSync(`${root}/bin/${name}`, script, { mode: 0o755 });
  }
  const text = JSON.stringify(list).replaceAll("@DATA@", `${root}/ipam`);
  Deno.writeTextFileSync(`${root}/net.d/10-test.conflist`, text);
  const network = await createNetwork({
    confDir: `${root}/net.d`,
    pluginDirs: [`${root}/bin`],
    defaultNetwork: "",
    cacheDir: `${root}/cache`,
  });
  return {
    root,
    network,
    pod(name, more = {}) {
      return {
        id: `${tag}-${name}`,
        name,
        namespace: "default",
        uid: `uid-${name}`,
        netns: addNamespace(`${tag}-${name}`),
        portMappings: [],
        annotations: {},
        cgroupParent: "",
        ...more,
      };
    },
    unpin: ({ netns }) => void run("ip", "netns", "delete", netns.slice("/run/netns/".length)),
    onNode: (...command) => run("nsenter", `--net=${host}`, ...command),
    inPod: ({ netns }, ...command) => run("nsenter", `--net=${netns}`, ...command),
    serve({ netns }, ...command) {
      const child = spawn("nsenter", [`--net=${netns}`, ...command], { stdio: "ignore" });
      children.push(child.pid!);
    },
    reservations() {
      try {
        return readdirSync(`${root}/ipam/test`).filter((name) => /^[\d.]+$/.test(name)).toSorted();
      } catch {
        return [];
      }
    },
    [Symbol.dispose]() {
      network[Symbol.dispose]();
      for (const pid of children) process.kill(pid, "SIGKILL");
      for (const name of namespaces) {
        try {
          run("ip", "netns", "delete", name);
        } catch {
          // The test has deleted it.
        }
      }
      Deno.removeSync(root, { recursive: true });
    },
  };
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
