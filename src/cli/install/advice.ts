import { join } from "@std/path";
import { DEFAULT_PATH, kernelFileExists, run } from "../../linux/mod.ts";
import { hasSystemd } from "./host.ts";
import type { HostPrograms } from "./node_files.ts";

/** What a node still lacks before pods can run on it, as sentences for whoever runs it. */
export async function missingOnNode(root: string, host: HostPrograms): Promise<string[]> {
  return [
    ...host.runtimes.size > 0
      ? []
      : ["an OCI runtime: crun or runc, in /usr/bin or /usr/local/bin"],
    ...host.pluginDirs.length > 0
      ? []
      : ["CNI plugins in /opt/cni/bin: bridge, host-local and portmap, or those of your network"],
    ...host.hasNetwork || hasProgram(root, "iptables")
      ? []
      : ["iptables, by which the plugins bridge and portmap translate addresses"],
    ...await isServedByCrio(root)
      ? ["its socket, which CRI-O has: systemctl disable --now crio.service"]
      : [],
  ];
}

/** How crid is started, or started again, once it is installed. */
export async function nextStep(root: string, program: string): Promise<string> {
  if (root !== "/") return `Have it started at every boot: systemctl --root=${root} enable crid`;
  if (!hasSystemd(root)) {
    return `This host does not run systemd: set cgroup_manager = "cgroupfs" and start ${program}`;
  }
  if (await unitState("crid.service") === "crid.service active") {
    return "Have the new one serve; containers go on running: systemctl restart crid";
  }
  return "Start it, now and at every boot: systemctl enable --now crid";
}

function hasProgram(root: string, name: string): boolean {
  return DEFAULT_PATH.split(":").some((directory) => kernelFileExists(join(root, directory, name)));
}

async function isServedByCrio(root: string): Promise<boolean> {
  return hasSystemd(root) && await unitState("crio.service") === "crio.service active";
}

/** A unit's own name, to which its aliases lead, and whether it runs. */
async function unitState(unit: string): Promise<string> {
  const args = ["show", unit, "--property=Id,ActiveState"];
  const { stdout } = await run("systemctl", args, { timeoutMs: 30_000 });
  const shown = new TextDecoder().decode(stdout).trim().split("\n")
    .map((line) => line.split("=") as [string, string]);
  const { Id = "", ActiveState = "" } = Object.fromEntries(shown);
  return `${Id} ${ActiveState}`;
}
