import type { HostDefaults } from "../config/mod.ts";

/**
 * What the host says about defaults: whether SELinux is on. Kernel files take FFI, which only the
 * commands that load the configuration need.
 */
export async function hostDefaults(): Promise<HostDefaults> {
  const { kernelFileExists } = await import("../linux/mod.ts");
  return { selinux: kernelFileExists("/sys/fs/selinux/enforce") };
}
