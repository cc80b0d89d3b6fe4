import { libc } from "./libc.ts";

const M_MMAP_THRESHOLD = -3;
/** Smaller than the chunks in which layers pass by, larger than what objects need. */
const LARGE_BLOCK_BYTES = 128 * 1024;

/**
 * Has the C library give large blocks back to the system as soon as they are freed, in all isolates of
 * this process. By itself it raises the limit with every such block, and each thread hoards its own:
 * a pull kept 150 MB that nobody used.
 */
export function releaseLargeBlocks(): void {
  libc().mallopt?.(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
}
