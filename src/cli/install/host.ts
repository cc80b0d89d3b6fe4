import { join } from "@std/path";
import type { Config } from "../../config/mod.ts";
import { CridError } from "../../failure/mod.ts";
import { DEFAULT_PATH, kernelFileExists, run } from "../../linux/mod.ts";
import type { HostPrograms } from "./node_files.ts";

/** The first that is there becomes the default where crun is not. */
const RUNTIMES = ["crun", "runc"];
/** Where CNI plugins are put by Kubernetes, Debian, Fedora and Arch. */
const PLUGIN_DIRS = ["/opt/cni/bin/", "/usr/lib/cni/", "/usr/libexec/cni/"];
const SYSTEMCTL_MS = 120_000;

/** Looks at the host below `root`. */
export async function hostPrograms(root: string, config: Config): Promise<HostPrograms> {
  const runtimes = new Map<string, string>();
  for (const name of RUNTIMES) {
    const path = DEFAULT_PATH.split(":").map((directory) => join(directory, name))
      .find((candidate) => kernelFileExists(join(root, candidate)));
    if (path !== undefined) runtimes.set(name, path);
  }
  const pluginDirs = PLUGIN_DIRS.filter((path) => kernelFileExists(join(root, path, "bridge")));
  const hasNetwork = await holdsNetwork(join(root, config.network.network_dir));
  return { runtimes, pluginDirs, hasNetwork };
}

async function holdsNetwork(directory: string): Promise<boolean> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.some(({ name }) => /\.(conf|conflist|json)$/.test(name));
  } catch {
    return false;
  }
}

/** Whether systemd runs this host, so that it can be told of the service. */
export function hasSystemd(root: string): boolean {
  return root === "/" && kernelFileExists("/run/systemd/system");
}

/** @throws {CridError} With the words of systemctl. */
export async function systemctl(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run("systemctl", args, { timeoutMs: SYSTEMCTL_MS });
  if (code === 0) return;
  const words = new TextDecoder().decode(stderr).trim();
  throw new CridError("unknown", `systemctl ${args.join(" ")}: ${words}`);
}

/**
 * The file that this crid was started from.
 *
 * @throws {CridError} `failed_precondition` when it runs from its source.
 */
export function ownFile(): string {
  const path = Deno.env.get("CRID_SELF");
  if (path !== undefined) return path;
  throw new CridError(
    "failed_precondition",
    "only the built file can install itself: run ./dev build, then dist/crid install",
  );
}
