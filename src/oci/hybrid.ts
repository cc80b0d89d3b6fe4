import { readKernelFile } from "../linux/mod.ts";

/**
 * Whether cgroup v1 is in use with a v2 tree beside it that has controllers. crun refuses such a
 * host, although it would use v1 alone; with the v2 tree out of its sight it works.
 */
export function isHybridHost(): boolean {
  const controllers = readKernelFile("/sys/fs/cgroup/unified/cgroup.controllers");
  return controllers !== undefined && controllers.trim() !== "";
}
