/**
 * The domain: pod sandboxes and containers, from their creation to their removal.
 *
 * @module
 */

export type { PodDependencies, PodOptions } from "./context.ts";
export { createPods } from "./pods.ts";
export type * from "./types.ts";
