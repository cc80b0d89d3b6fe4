import type { Config } from "../config/mod.ts";
import { CridError } from "../failure/mod.ts";
import { findInstallation } from "./installation.ts";
import { supervise } from "./supervisor.ts";

/**
 * Runs the daemon until it is told to stop.
 *
 * @returns The exit code.
 * @throws {CridError} `failed_precondition` when this host or configuration cannot be served.
 */
export async function serve(config: Config, version: string): Promise<number> {
  if (config.runtime.cgroup_manager === "systemd") {
    throw new CridError(
      "failed_precondition",
      'cgroup_manager = "systemd" is not supported by this version of crid: set ' +
        'cgroup_manager = "cgroupfs" in crio.conf and cgroupDriver: cgroupfs for the kubelet',
    );
  }
  return await supervise(config, await findInstallation(version));
}
