/**
 * What containers and pods use, and the metrics made of it.
 *
 * @module
 */

export type * from "./types.ts";
export { createStats } from "./stats.ts";
