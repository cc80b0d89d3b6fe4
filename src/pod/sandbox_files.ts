import { dirname } from "@std/path";
import { CridError, wrapError } from "../failure/mod.ts";
import { mount, MountFlag, umount, UmountFlag } from "../linux/mod.ts";
import type { DnsConfig, SandboxConfig } from "./types.ts";

/** `/dev/shm` of a pod that asks for nothing else. */
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
const SHM_ANNOTATIONS = ["shm-size.crio.io", "io.kubernetes.cri-o.ShmSize"] as const;
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** Writes `resolv.conf`: the pod's DNS settings, or a copy of the host's. */
export async function writeResolvConf(path: string, dns: DnsConfig | undefined): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const text = dns === undefined ? await hostResolvConf() : resolvConf(dns);
  await Deno.writeTextFile(path, text, { mode: 0o644 });
}

function resolvConf(dns: DnsConfig): string {
  for (const word of [...dns.searches, ...dns.servers, ...dns.options]) {
    if (/[\r\n\0]/.test(word)) {
      throw new CridError("invalid_argument", `DNS setting ${JSON.stringify(word)} has a line end`);
    }
  }
  let text = "";
  if (dns.searches.length > 0) text += `search ${dns.searches.join(" ")}\n`;
  for (const server of dns.servers) text += `nameserver ${server}\n`;
  if (dns.options.length > 0) text += `options ${dns.options.join(" ")}\n`;
  return text;
}

async function hostResolvConf(): Promise<string> {
  try {
    return await Deno.readTextFile("/etc/resolv.conf");
  } catch (error) {
    // A node without name resolution still runs pods.
    if (error instanceof Deno.errors.NotFound) return "";
    throw wrapError("read the host's /etc/resolv.conf", error);
  }
}

/**
 * Mounts a tmpfs for the pod's `/dev/shm`, whose root the pod's root owns.
 *
 * @param label SELinux label of all that is in it, or `""`.
 */
export async function mountShm(path: string, config: SandboxConfig, label: string): Promise<void> {
  const size = shmSize(config);
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  const flags = MountFlag.NOEXEC | MountFlag.NOSUID | MountFlag.NODEV;
  const context = label === "" ? "" : `,context="${label}"`;
  mount("shm", path, "tmpfs", flags, `mode=1777,size=${size}${context}`);
  const { uids, gids } = config.security.namespaces.user.maps;
  const [uid, gid] = [uids[0]?.hostId, gids[0]?.hostId];
  if (uid !== undefined && gid !== undefined) await Deno.chown(path, uid, gid);
}

/** Unmounts what {@linkcode mountShm} has mounted; nothing there is no error. */
export function unmountShm(path: string): void {
  try {
    umount(path, UmountFlag.DETACH);
  } catch (error) {
    if (!isOneOf(error, "EINVAL", "ENOENT")) throw error;
  }
}

function isOneOf(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as { code?: string }).code ?? "");
}

function shmSize(config: SandboxConfig): number {
  const text = SHM_ANNOTATIONS.map((key) => config.annotations[key]).find((value) => value);
  if (text === undefined) return DEFAULT_SHM_BYTES;
  const [, digits, unit] = /^(-?\d+)([kMG]i?|)$/.exec(text.replace("K", "k")) ?? [];
  const factor = UNITS[unit === "ki" ? "Ki" : unit ?? "?"];
  if (digits === undefined || factor === undefined) {
    throw new CridError("invalid_argument", `shm size ${JSON.stringify(text)}: not a quantity`);
  }
  const size = Number(digits) * factor;
  if (size > 0) return size;
  throw new CridError("invalid_argument", `shm size ${size} must be greater than 0`);
}
