import type { Config } from "../config/mod.ts";
import { findInstallation } from "./installation.ts";
import { type Reload, supervise } from "./supervisor.ts";

/**
 * Runs the daemon until it is told to stop.
 *
 * @param reload Reads the configuration again, on SIGHUP.
 * @returns The exit code.
 * @throws {CridError} `failed_precondition` when this host or configuration cannot be served.
 */
export async function serve(config: Config, version: string, reload: Reload): Promise<number> {
  return await supervise(config, await findInstallation(version), reload);
}
