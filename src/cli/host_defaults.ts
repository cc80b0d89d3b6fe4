import type { HostDefaults } from "../config/mod.ts";

/**
 * What the host says about defaults: storage.conf, and whether SELinux is on. The rooms that know
 * are loaded by the commands that need a configuration only.
 *
 * @throws {CridError} `invalid_argument` for a broken storage.conf.
 */
export async function hostDefaults(env: Readonly<Record<string, string>>): Promise<HostDefaults> {
  const { loadStorageConf } = await import("../storage/mod.ts");
  const { kernelFileExists } = await import("../linux/mod.ts");
  const storage = loadStorageConf(env);
  return {
    selinux: kernelFileExists("/sys/fs/selinux/enforce"),
    storage: {
      root: storage.graphRoot,
      runroot: storage.runRoot,
      imagestore: storage.imageStore,
      storage_driver: storage.driver,
      storage_option: storage.options,
    },
  };
}
