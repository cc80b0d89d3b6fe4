import { join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { FsMagic, run, statfs, umount, UmountFlag } from "../linux/mod.ts";
import type { IdMap, NamespaceOptions } from "../oci/mod.ts";
import type { PinnedNamespaces } from "./sandbox.ts";
import type { StringMap } from "./types.ts";

/** pinns ends within milliseconds; one that takes this long hangs. */
const PINNS_TIMEOUT_MS = 30_000;
/** pinns' directory for each kind of namespace. */
const DIRECTORIES = {
  network: "netns",
  ipc: "ipcns",
  uts: "utsns",
  user: "userns",
} as const;

/**
 * Where a pod's namespaces are pinned; one that is the host's is not pinned.
 *
 * @param file File name below each kind's directory.
 */
export function namespacePaths(
  directory: string,
  file: string,
  options: NamespaceOptions,
): PinnedNamespaces {
  const path = (kind: keyof typeof DIRECTORIES) => join(directory, DIRECTORIES[kind], file);
  return {
    uts: path("uts"),
    ...(options.network === "node" ? {} : { network: path("network") }),
    ...(options.ipc === "node" ? {} : { ipc: path("ipc") }),
    ...(options.user.mode === "pod" ? { user: path("user") } : {}),
  };
}

/** What to pin for one pod. */
export interface PinRequest {
  readonly pinnsPath: string;
  readonly directory: string;
  /** File name below each kind's directory. */
  readonly file: string;
  readonly options: NamespaceOptions;
  /** Set inside the new namespaces. */
  readonly sysctls: StringMap;
}

/**
 * Makes and pins a pod's namespaces; loopback is up in a new network namespace.
 *
 * @throws {CridError} With what pinns said; what it had pinned by then is for
 * {@linkcode unpinNamespaces}.
 */
export async function pinNamespaces(request: PinRequest): Promise<void> {
  const { directory, file, options } = request;
  const paths = namespacePaths(directory, file, options);
  const args = ["-d", directory, "-f", file, "--uts"];
  if (paths.network !== undefined) args.push("--net", "--loopback");
  if (paths.ipc !== undefined) args.push("--ipc");
  if (paths.user !== undefined) {
    const { uids, gids } = options.user.maps;
    args.push("--user", `--uid-mapping=${mapText(uids)}`, `--gid-mapping=${mapText(gids)}`);
  }
  for (const [key, value] of Object.entries(request.sysctls)) args.push("-s", `${key}=${value}`);
  const result = await run(request.pinnsPath, args, { timeoutMs: PINNS_TIMEOUT_MS });
  if (result.code === 0) {
    for (const path of Object.values(paths)) requirePinned(path);
    return;
  }
  const said = new TextDecoder().decode(result.stderr).trim() || `exit code ${result.code}`;
  // The kernel alone knows what a sysctl may be.
  const code = said.includes("set sysctl") ? "invalid_argument" : "internal";
  throw new CridError(code, `pin the pod's namespaces: ${said}`);
}

/** @throws {CridError} When no namespace is mounted there, whatever pinns has said. */
function requirePinned(path: string): void {
  if (isPinned(path)) return;
  throw new CridError("internal", `pin the pod's namespaces: pinns has left none at ${path}`);
}

/** Whether a namespace is mounted at `path`; after a reboot none is. */
export function isPinned(path: string): boolean {
  try {
    return statfs(path).type === FsMagic.NSFS;
  } catch {
    return false;
  }
}

/** Unpins whatever there is under that file name; idempotent. */
export async function unpinNamespaces(directory: string, file: string): Promise<void> {
  for (const kind of Object.values(DIRECTORIES)) await unpin(join(directory, kind, file));
}

/** A name may have been pinned twice: unmount until nothing is mounted, then remove the file. */
async function unpin(path: string): Promise<void> {
  for (;;) {
    try {
      umount(path, UmountFlag.DETACH);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "ENOENT") return;
      if (code === "EINVAL") break;
      throw error;
    }
  }
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function mapText(maps: readonly IdMap[]): string {
  return maps.map((map) => [map.containerId, map.hostId, map.size].join("-")).join("@");
}
