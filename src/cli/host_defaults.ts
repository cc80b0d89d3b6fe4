import type { HostDefaults } from "../config/mod.ts";

/** What the host says about defaults: storage.conf, and whether SELinux is on. */
export function hostDefaults(): Promise<HostDefaults> {
  return Promise.resolve({});
}
