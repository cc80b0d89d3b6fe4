/**
 * The isolates of the daemon, and what each may do.
 *
 * @module
 */

export { type LocalImages, openLocalImages } from "./local_images.ts";
export { damageSummary } from "./repair.ts";
export { pullProcess } from "./pull_process_main.ts";
export { serve } from "./serve.ts";
export { wipeOffline } from "./wipe.ts";
export { storeOptions } from "./options.ts";
