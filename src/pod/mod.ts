/**
 * The domain: pod sandboxes and containers, from their creation to their removal.
 *
 * @module
 */

export type * from "./types.ts";
