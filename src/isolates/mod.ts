/**
 * The isolates of the daemon, and what each may do.
 *
 * @module
 */

export { type LocalImages, openLocalImages } from "./local_images.ts";
export { serve } from "./serve.ts";
