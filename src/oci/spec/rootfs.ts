import { symlinkSync } from "node:fs";
import { join } from "@std/path";
import { lstatIfThere, resolveInRoot } from "../../linux/mod.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";

/** Whether the root is read-only, and what the file system needs to look like a Linux system. */
export function rootfsStage(draft: SpecDraft): void {
  const { input, defaults, spec } = draft;
  spec.root.readonly = input.security.readonlyRootfs ||
    (defaults.readOnly && !isPrivileged(draft));
  linkMtab(input.rootfs);
}

/** Old programs read /etc/mtab. An image that has one, or no /etc, is left alone. */
function linkMtab(rootfs: string): void {
  const etc = resolveInRoot(rootfs, "/etc");
  if (etc === undefined || lstatIfThere(join(etc, "mtab")) !== undefined) return;
  symlinkSync("/proc/mounts", join(etc, "mtab"));
}
