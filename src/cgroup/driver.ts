import { CridError } from "../failure/mod.ts";
import { CgroupfsDriver } from "./cgroupfs.ts";
import { type CgroupLayout, detectLayout } from "./layout.ts";
import type { CgroupDriver } from "./types.ts";

/** What {@linkcode createCgroupDriver} needs. */
export interface CgroupOptions {
  /** `cgroup_manager` of the configuration. */
  readonly manager: "cgroupfs" | "systemd";
  /** Default: what this host has mounted. */
  readonly layout?: CgroupLayout;
}

/**
 * The driver for this host.
 *
 * @throws {CridError} `unimplemented` for systemd, `failed_precondition` when no cgroups are mounted.
 */
// deno-lint-ignore require-await -- the systemd driver has to reach the bus first.
export async function createCgroupDriver(options: CgroupOptions): Promise<CgroupDriver> {
  if (options.manager === "systemd") {
    throw new CridError(
      "unimplemented",
      'cgroup_manager = "systemd" is not supported by this version of crid; ' +
        'set cgroup_manager = "cgroupfs" in crio.conf, and cgroupDriver: cgroupfs for the kubelet',
    );
  }
  return new CgroupfsDriver(options.layout ?? detectLayout());
}
