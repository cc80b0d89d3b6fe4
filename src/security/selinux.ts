import { kernelFileExists } from "../linux/mod.ts";

/** What a client asks of a label; `""` keeps the base's part. */
export interface SelinuxOptions {
  readonly user: string;
  readonly role: string;
  readonly type: string;
  readonly level: string;
}

/** Whether the kernel enforces or permits SELinux: its file system is there only then. */
export function selinuxEnabled(root = "/sys/fs/selinux"): boolean {
  return kernelFileExists(`${root}/enforce`);
}

/** Puts the parts that were asked for over a `user:role:type:level` label. */
export function mergeSelinuxLabel(base: string, options: SelinuxOptions): string {
  const [user = "", role = "", type = "", ...level] = base.split(":");
  return [
    options.user || user,
    options.role || role,
    options.type || type,
    options.level || level.join(":"),
  ].filter((part) => part !== "").join(":");
}
