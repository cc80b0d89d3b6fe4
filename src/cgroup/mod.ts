/**
 * Control groups: where a process is put, what it uses, how all of it is killed.
 *
 * @module
 */

export type * from "./types.ts";
export { type CgroupOptions, createCgroupDriver } from "./driver.ts";
export { SYSTEMD_SOCKETS } from "./systemd/manager.ts";
export { type CgroupLayout, detectLayout, type Hierarchy } from "./layout.ts";
