import * as fs from "node:fs";
import type { GraphDriver } from "./graph_driver.ts";
import { BASE_MODE, copyTree, treeDriver } from "./tree_driver.ts";

/** Trees are copied file by file: slow, and works everywhere. */
export function vfsDriver(): GraphDriver {
  return treeDriver({
    name: "vfs",
    folder: "dir",
    checkHome: () => {},
    async begin(tree, below) {
      fs.mkdirSync(tree, { mode: 0o700 });
      if (below === undefined) fs.chmodSync(tree, BASE_MODE);
      else await copyTree(below, tree);
    },
    forget: () => {},
    leaveHome: () => {},
  });
}
