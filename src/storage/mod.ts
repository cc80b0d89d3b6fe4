/**
 * Images, layers and containers on the disk, as containers/storage keeps them.
 *
 * @module
 */

export type * from "./types.ts";
export { releaseAbandonedLocks } from "./abandoned_locks.ts";
export { type CheckOptions, checkStore, type StoreDamage } from "./check.ts";
export { exportLayer } from "./export.ts";
export { repairStore } from "./repair.ts";
export { openStore } from "./store.ts";
export { loadStorageConf, parseStorageConf } from "./storage_conf.ts";
export { indexTar, type ReadAt, type TarIndexEntry } from "./tar_index.ts";
export { decompress, detectCompression, MAGIC_BYTES } from "./unpack/decompress.ts";
export { removeStaleTempDirs, TempDir } from "./temp_dir.ts";
export { directoryUsage } from "./usage.ts";
export { unpackLayer, type UnpackLimits } from "./unpack/unpack.ts";
export { wipeStore } from "./wipe.ts";
