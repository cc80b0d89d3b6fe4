import { libc } from "./libc.ts";

const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
/** Smaller than the chunks in which layers pass by, larger than what objects need. */
const LARGE_BLOCK_BYTES = 128 * 1024;

/**
 * Has the C library give large blocks back to the system as soon as they are freed, in all isolates of
 * this process. By itself it raises both limits with every such block, and each thread hoards its own:
 * a pull kept 150 MB that nobody used.
 */
export function releaseLargeBlocks(): void {
  libc().mallopt?.(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
  libc().mallopt?.(M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES);
}

/**
 * Gives back to the system what all isolates of this process have freed and the C library keeps, a few
 * milliseconds' work: where a module has been parsed for the first time, that is half of all memory.
 */
export function releaseFreeMemory(): void {
  libc().malloc_trim?.(0n);
}
