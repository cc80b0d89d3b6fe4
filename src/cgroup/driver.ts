import { CridError } from "../failure/mod.ts";
import { kernelFileExists } from "../linux/mod.ts";
import { CgroupfsDriver } from "./cgroupfs.ts";
import { type CgroupLayout, detectLayout } from "./layout.ts";
import { SystemdDriver } from "./systemd/driver.ts";
import { SystemdManager } from "./systemd/manager.ts";
import type { CgroupDriver } from "./types.ts";

/** What {@linkcode createCgroupDriver} needs. */
export interface CgroupOptions {
  /** `cgroup_manager` of the configuration. */
  readonly manager: "cgroupfs" | "systemd";
  /** Default: what this host has mounted. */
  readonly layout?: CgroupLayout;
}

/** Only there where systemd is the first process; sd_booted(3). */
const BOOTED = "/run/systemd/system";

/**
 * The driver for this host.
 *
 * @throws {CridError} `failed_precondition` when no cgroups are mounted, or when systemd shall make
 * them on a host that runs without.
 */
// deno-lint-ignore require-await -- whoever waits for a driver need not know which one does.
export async function createCgroupDriver(options: CgroupOptions): Promise<CgroupDriver> {
  const layout = options.layout ?? detectLayout();
  if (options.manager === "cgroupfs") return new CgroupfsDriver(layout);
  if (!kernelFileExists(BOOTED)) {
    throw new CridError(
      "failed_precondition",
      'cgroup_manager = "systemd": this host does not run systemd; set cgroup_manager = ' +
        '"cgroupfs" in crio.conf, and cgroupDriver: cgroupfs for the kubelet',
    );
  }
  return new SystemdDriver(layout, new SystemdManager());
}
