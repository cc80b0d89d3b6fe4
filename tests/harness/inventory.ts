/**
 * What a node holds of the machine, counted: to see whether it is the same after many pods as before.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "@std/path";
import type { Crid } from "./crid.ts";
import { output } from "./isolation.ts";

/** Counts by their names. */
export type Inventory = Readonly<Record<string, number>>;

/** Counts while no pod is there. Memory is not among it: it has no exact figure to come back to. */
export async function inventory(crid: Crid): Promise<Inventory> {
  const { node, isolation, pid } = crid;
  const inside = isolation?.pid ?? "self";
  const lines = async (path: string) =>
    (await Deno.readTextFile(path)).split("\n").filter((line) => line.includes(node.directory));
  const [mounts, links] = await Promise.all([
    lines(`/proc/${inside}/mountinfo`),
    output(isolation, "ip", ["-oneline", "link", "show"]),
  ]);
  return {
    "file descriptors": await entries(`/proc/${pid}/fd`),
    threads: await entries(`/proc/${pid}/task`),
    "child processes": (await output(undefined, "ps", ["-e", "-o", "ppid="]))
      .split("\n").filter((line) => Number(line) === pid).length,
    mounts: mounts.length,
    "network interfaces": links.split("\n").filter((line) => line !== "").length,
    addresses: await files(join(node.ipam, node.network), /^\d/),
    namespaces: await files(node.namespaces, /./),
    cgroups: Number(
      await output(undefined, "sh", [
        "-c",
        `find /sys/fs/cgroup -path '*${node.cgroupParent}/*' -type d 2>/dev/null | wc -l`,
      ]),
    ),
    "storage files": await files(node.storageRoot, /./),
    "run files": await files(node.runRoot, /./),
    "exit files": await files(node.exits, /./),
    "log files of pods without a directory": await files(node.logs, /^[0-9a-f]{64}$/),
    "runtime files": await files(node.runtimeRoot, /./),
  };
}

async function entries(directory: string): Promise<number> {
  return (await Array.fromAsync(Deno.readDir(directory))).length;
}

/** Files below `root` whose name is of that form. */
async function files(root: string, name: RegExp): Promise<number> {
  if (!existsSync(root)) return 0;
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return found.filter((entry) => !entry.isDirectory() && name.test(entry.name)).length;
}
