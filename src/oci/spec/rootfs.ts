import { symlink } from "node:fs/promises";
import { join } from "@std/path";
import { lstatIfThere, resolveInRoot } from "../../linux/mod.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** Whether the root is read-only, and what the file system needs to look like a Linux system. */
export async function rootfsStage(draft: SpecDraft): Promise<void> {
  const { input, defaults, spec } = draft;
  spec.root.readonly = input.security.readonlyRootfs ||
    (defaults.readOnly && !isPrivileged(draft));
  await linkMtab(input.rootfs);
}

/** Old programs read /etc/mtab. An image that has one, or no /etc, is left alone. */
async function linkMtab(rootfs: string): Promise<void> {
  const etc = resolveInRoot(rootfs, "/etc");
  if (etc === undefined || lstatIfThere(join(etc, "mtab")) !== undefined) return;
  await symlink("/proc/mounts", join(etc, "mtab"));
}
