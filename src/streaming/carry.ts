import type { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { giveBack } from "./chunk_memory.ts";

/**
 * Writes to `target` what `source` reads, as fast as that takes it, and gives the memory back. Neither
 * is ended or destroyed with the other; a target that is closed takes everything.
 *
 * @param source Nobody else uses its chunks.
 * @param target Has no use for a chunk any more when that is written, as sockets have not, and a
 * PassThrough has.
 */
export function carry(source: Readable, target: Writable): void {
  source.on("data", (chunk: Buffer) => {
    if (!target.writable) giveBack(chunk);
    else if (!target.write(chunk, () => giveBack(chunk))) source.pause();
  });
  target.on("drain", () => source.resume());
}

/** {@linkcode carry}, and ends `target` behind it. */
export function carryAll(source: Readable, target: Writable): void {
  carry(source, target);
  source.once("end", () => target.end());
}
