import { basename } from "@std/path";
import * as fs from "node:fs";
import { Fd, listKernelDirectory, readKernelLink } from "../linux/mod.ts";
import { additionalStores } from "./options.ts";
import type { StoreOptions } from "./types.ts";

/**
 * Closes the lock files of a store that this process holds open, and so releases their locks.
 *
 * An isolate that is terminated leaves its descriptors to the process. Whoever starts another one on
 * the same store calls this in between; while a store is open in any isolate of this process it must
 * not be called.
 */
export function releaseAbandonedLocks(options: StoreOptions): void {
  const roots = [
    ...[options.graphRoot, options.runRoot, options.imageStore],
    ...additionalStores(options.options),
  ].filter((root) => root !== "" && fs.existsSync(root)).map((root) => `${fs.realpathSync(root)}/`);
  for (const { name } of listKernelDirectory("/proc/self/fd") ?? []) {
    const path = readKernelLink(`/proc/self/fd/${name}`) ?? "";
    const isLock = /\.lock$|^lock-/.test(basename(path).replace(/ \(deleted\)$/, ""));
    if (isLock && roots.some((root) => path.startsWith(root))) {
      new Fd(Number(name))[Symbol.dispose]();
    }
  }
}
