import { CridError } from "../failure/mod.ts";
import type { SandboxConfig } from "./types.ts";

/** `HOST_NAME_MAX` of Linux. */
const MAX_HOSTNAME_LENGTH = 64;

/**
 * Refuses what no sandbox can be made from, of what the wire lets through: names become parts of paths
 * and lines.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function checkSandboxConfig({ metadata, hostname }: SandboxConfig): void {
  const { name, namespace, uid } = metadata;
  for (const part of [name, namespace, uid]) {
    if (/[/\0\n]/.test(part)) refuse(`the pod's name part ${JSON.stringify(part)} is not a name`);
  }
  if (hostname.length > MAX_HOSTNAME_LENGTH || /[/\0\s]/.test(hostname)) {
    refuse(`hostname ${JSON.stringify(hostname)}: at most 64 characters without spaces`);
  }
}

function refuse(why: string): never {
  throw new CridError("invalid_argument", `run pod sandbox: ${why}`);
}
