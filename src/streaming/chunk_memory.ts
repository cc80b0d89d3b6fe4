/**
 * The memory of what is read, 64 kB each time. It is given back by hand: the garbage collector, which
 * sees how much it is but not how soon it is free, would run all the time, and take more of the CPU than
 * all the rest.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** How many chunks are parts of the same memory and in use. */
const uses = new WeakMap<ArrayBufferLike, number>();

/** Notes that a chunk, or a part of one that is in use, has to be given back before its memory is. */
export function hold({ buffer, byteLength }: Buffer): void {
  const count = uses.get(buffer);
  if (count !== undefined || byteLength === buffer.byteLength) uses.set(buffer, (count ?? 0) + 1);
}

/**
 * Gives a chunk's memory back, when it was the last to use it. One that was not held and is only a part
 * of its memory is left to the garbage collector.
 */
export function giveBack({ buffer, byteLength }: Buffer): void {
  const count = uses.get(buffer);
  if (count !== undefined && count > 1) return void uses.set(buffer, count - 1);
  if (count === undefined && byteLength !== buffer.byteLength) return;
  uses.delete(buffer);
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
