import * as fs from "node:fs";
import { mount, MountFlag, mountId, umount, UmountFlag } from "../linux/mod.ts";
import type { OverlayOptions } from "./options.ts";

/**
 * Makes sure that the driver's home is a mount point of its own, and private: a bind mount on itself.
 *
 * podman unmounts the home when it exits while no layer is recorded as mounted, and covers it with
 * another bind mount when it starts; layers that are mounted below must be on the mount that both see.
 * To be called with storage.lock held, before anything is mounted below.
 */
export function ensureHomeMounted(home: string, option: OverlayOptions["home"]): void {
  if (option === "as-is" || isHomeMounted(home)) return;
  mount(home, home, "", MountFlag.BIND);
  mount("", home, "", MountFlag.PRIVATE);
}

/** Undoes {@linkcode ensureHomeMounted}; mounts of containers go with it. */
export function unmountHome(home: string): void {
  if (isHomeMounted(home)) umount(home, UmountFlag.DETACH | UmountFlag.NOFOLLOW);
}

function isHomeMounted(home: string): boolean {
  return fs.existsSync(home) && mountId(home) !== mountId(`${home}/..`);
}
