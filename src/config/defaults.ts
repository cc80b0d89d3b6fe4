import { type Config, defaultsOf, TABLE } from "./table.ts";

/** Defaults that are the host's and not crid's. */
export interface HostDefaults {
  /** What containers-storage.conf(5) says. Missing values are crid's own. */
  readonly storage?: StorageDefaults;
  /** Whether SELinux is on. */
  readonly selinux?: boolean;
}

/** Values of storage.conf, under the names of crio.conf. */
export type StorageDefaults = Partial<
  Pick<Config["crio"], "root" | "runroot" | "imagestore" | "storage_driver" | "storage_option">
>;

/** The configuration of a daemon that no file, variable or flag says anything about. */
export function defaultConfig(host: HostDefaults = {}): Config {
  const sections = Object.entries(TABLE).map(([name, section]) => [name, defaultsOf(section)]);
  const config = Object.fromEntries(sections) as Config;
  return {
    ...config,
    crio: { ...config.crio, ...host.storage },
    runtime: { ...config.runtime, selinux: host.selinux ?? false },
  };
}
