/**
 * Pod networks: CNI configuration, plugins and the cache of their results.
 *
 * @module
 */

export type * from "./types.ts";
export { createNetwork } from "./network.ts";
