import { readKernelFile } from "../linux/mod.ts";

/** Where hybrid hosts mount v2 beside v1. */
export const UNIFIED = "/sys/fs/cgroup/unified";

/**
 * Whether cgroup v1 is in use with a v2 tree beside it that has controllers. crun refuses such a
 * host, although it would use v1 alone; with the v2 tree out of its sight it works.
 */
export function isHybridHost(): boolean {
  const controllers = readKernelFile(`${UNIFIED}/cgroup.controllers`);
  return controllers !== undefined && controllers.trim() !== "";
}
