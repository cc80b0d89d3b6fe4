import * as fs from "node:fs";
import { CridError } from "../failure/mod.ts";
import { mountsBelow } from "../linux/mod.ts";
import { storePaths } from "./paths.ts";
import type { StoreOptions } from "./types.ts";

/**
 * Removes a whole store: images, layers and containers, whoever has made them.
 *
 * @throws {CridError} `failed_precondition` when something of it is mounted; nothing is removed then.
 */
export async function wipeStore(options: StoreOptions): Promise<void> {
  const paths = storePaths(options);
  const homes = new Set([paths.home, paths.imageHome]);
  const [inUse] = [...homes, paths.runHome].flatMap(mountsBelow).filter((path) => !homes.has(path));
  if (inUse !== undefined) {
    throw new CridError(
      "failed_precondition",
      `wipe the storage in ${paths.graphRoot}: ${inUse} is mounted; stop what uses it`,
    );
  }
  for (const home of homes) paths.driver.leaveHome(home);
  for (const root of new Set([paths.graphRoot, paths.imageRoot, paths.runRoot])) {
    // The root itself may be a mount point.
    for (const name of fs.existsSync(root) ? fs.readdirSync(root) : []) {
      await Deno.remove(`${root}/${name}`, { recursive: true });
    }
  }
}
