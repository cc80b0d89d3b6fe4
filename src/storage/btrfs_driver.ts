import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { createSubvolume, isBtrfs, snapshotSubvolume } from "../linux/mod.ts";
import type { GraphDriver } from "./graph_driver.ts";
import { unmountHome } from "./home.ts";
import { BASE_MODE, treeDriver } from "./tree_driver.ts";

/** Trees are subvolumes of btrfs, each a snapshot of the one below. */
export function btrfsDriver(): GraphDriver {
  return treeDriver({
    name: "btrfs",
    folder: "subvolumes",
    checkHome(home) {
      if (isBtrfs(home)) return;
      throw new CridError(
        "failed_precondition",
        `open the storage in ${home}: storage driver btrfs: the directory is not on a btrfs file ` +
          'system; set storage_driver = "overlay" in [crio] or driver in storage.conf',
      );
    },
    // deno-lint-ignore require-await
    async begin(tree, below) {
      if (below !== undefined) return snapshotSubvolume(below, tree);
      createSubvolume(tree);
      fs.chmodSync(tree, BASE_MODE);
    },
    // What podman has noted of a container's size; crid sets none.
    forget: (home, id) => fs.rmSync(`${home}/quotas/${id}`, { force: true }),
    // podman binds the home onto itself, which nothing of crid needs.
    leaveHome: unmountHome,
  });
}
