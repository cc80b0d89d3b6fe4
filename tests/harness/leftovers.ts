/**
 * What a node leaves on the machine: found, and taken away.
 *
 * @module
 */
import { join } from "@std/path";
import { run } from "../../src/linux/mod.ts";
import { type Isolation, output } from "./isolation.ts";
import type { Node } from "./node.ts";

/** Where libcni keeps results, whatever the configuration says. */
const CNI_RESULTS = "/var/lib/cni/results";
const CGROUPS = "/sys/fs/cgroup";
/** What host-local keeps besides one file per address in use. */
const IPAM_STATE = ["lock", "last_reserved_ip.0", "last_reserved_ip.1"];

/**
 * Mounts, processes, interfaces, pinned namespaces, packet filter rules, addresses, CNI results, cgroups
 * and runtime state of `node`. `except` are processes that may still run: while there are any, the store's
 * own mount may be there too.
 */
export async function leftovers(
  node: Node,
  isolation: Isolation | undefined,
  except: readonly number[],
): Promise<string[]> {
  const found = await Promise.all([
    mounts(node, isolation).then((paths) =>
      paths.filter((path) => except.length === 0 || path !== join(node.storageRoot, "overlay"))
        .map((path) => `mount ${path}`)
    ),
    processes(node, except).then((list) =>
      list.map(({ pid, command }) => `process ${pid} ${command}`)
    ),
    ports(node, isolation).then((names) => names.map((name) => `interface ${name}`)),
    names(join(node.namespaces, "netns")).then((list) => list.map((name) => `netns ${name}`)),
    rules(node, isolation).then((list) => list.map((rule) => `rule ${rule}`)),
    names(join(node.ipam, node.network)).then((list) =>
      list.filter((name) => !IPAM_STATE.includes(name)).map((name) => `address ${name}`)
    ),
    names(CNI_RESULTS).then((list) =>
      list.filter((name) => name.startsWith(`${node.network}-`)).map((name) => `CNI result ${name}`)
    ),
    cgroups(node).then((paths) => paths.map((path) => `cgroup ${path}`)),
    names(node.exits).then((list) => list.map((name) => `exit file ${name}`)),
    ...["runc", "crun"].map((runtime) =>
      names(join(node.runtimeRoot, runtime)).then((list) =>
        list.map((name) => `${runtime} container ${name}`)
      )
    ),
  ]);
  return found.flat();
}

/** Takes everything of `node` away, whatever state it is in, its directory too. */
export async function removeNode(node: Node, isolation: Isolation | undefined): Promise<void> {
  // Containers' processes carry nothing of the node's paths; the runtime knows them.
  for (const runtime of ["runc", "crun"]) {
    const root = join(node.runtimeRoot, runtime);
    for (const id of await names(root)) {
      await through(isolation, runtime, ["--root", root, "delete", "--force", id]);
    }
  }
  for (const { pid } of await processes(node, [])) kill(pid);
  for (const where of isolation === undefined ? [undefined] : [isolation, undefined]) {
    for (const path of (await mounts(node, where)).reverse()) {
      await through(where, "umount", ["-l", path]);
    }
  }
  await through(isolation, "ip", ["link", "delete", node.network]);
  for (const name of await names(CNI_RESULTS)) {
    if (name.startsWith(`${node.network}-`)) await Deno.remove(join(CNI_RESULTS, name));
  }
  for (const path of (await cgroups(node)).reverse()) await Deno.remove(path).catch(() => {});
  for (const path of await cgroupParents(node)) await Deno.remove(path).catch(() => {});
  await Deno.remove(node.directory, { recursive: true });
}

/** Mount points below the node's directory, in the order they were made. */
async function mounts(node: Node, isolation: Isolation | undefined): Promise<string[]> {
  const table = await Deno.readTextFile(`/proc/${isolation?.pid ?? "self"}/mountinfo`);
  return table.split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${node.directory}/`));
}

/** Processes whose command line names the node's directory: monitors, helpers, crid itself. */
async function processes(
  node: Node,
  except: readonly number[],
): Promise<{ readonly pid: number; readonly command: string }[]> {
  const found = [];
  for (const name of await names("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid || except.includes(pid)) continue;
    const command = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
    if (command.includes(node.directory)) {
      found.push({ pid, command: command.replaceAll("\0", " ").slice(0, 200) });
    }
  }
  return found;
}

/** Interfaces on the node's bridge. The bridge itself stays, as CNI has it. */
async function ports(node: Node, isolation: Isolation | undefined): Promise<string[]> {
  const links = JSON.parse(await output(isolation, "ip", ["-json", "link", "show"]));
  return (links as { ifname: string; master?: string }[])
    .filter(({ master }) => master === node.network)
    .map(({ ifname }) => ifname);
}

/** Packet filter rules that name the node's network or its addresses. */
async function rules(node: Node, isolation: Isolation | undefined): Promise<string[]> {
  const table = await output(isolation, "iptables-save", []);
  return table.split("\n").filter((line) =>
    line.startsWith("-A") && (line.includes(node.network) || line.includes(`${node.subnet}.`))
  );
}

/** cgroups below the node's parent, parents first, in every hierarchy. */
async function cgroups(node: Node): Promise<string[]> {
  const found: string[] = [];
  const visit = async (path: string) => {
    for (const name of await directories(path)) {
      found.push(join(path, name));
      await visit(join(path, name));
    }
  };
  for (const parent of await cgroupParents(node)) await visit(parent);
  return found;
}

async function cgroupParents(node: Node): Promise<string[]> {
  const candidates = [CGROUPS, ...(await directories(CGROUPS)).map((name) => join(CGROUPS, name))]
    .map((hierarchy) => join(hierarchy, node.cgroupParent));
  const present = await Promise.all(
    candidates.map((path) => Deno.stat(path).then(() => true, () => false)),
  );
  return candidates.filter((_, index) => present[index]);
}

async function directories(path: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) if (entry.isDirectory) found.push(entry.name);
  } catch {
    // A cgroup can go at any time.
  }
  return found;
}

/** Names in a directory; none when it is not there. */
async function names(path: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) found.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

async function through(
  isolation: Isolation | undefined,
  command: string,
  args: readonly string[],
): Promise<void> {
  const [program, ...rest] = [...isolation?.through ?? [], command, ...args];
  // What is gone already is what was asked for; the check for leftovers is the test's.
  await run(program!, rest).catch(() => {});
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
