import { Buffer } from "node:buffer";

/** Words of 32 bits that the polynomial's 32nd power reaches back; see {@linkcode Crc64}. */
const REACH = 64;
/** Words that are divided in one turn of the loop. */
const STRIDE = 4;
/** Shorter data, in words, is not worth the detour. */
const LONG = 4 * REACH;
const MOST_AT_ONCE = 4096;

/** Zeros, words that are being divided, and the words to which the rest is added. For one call only. */
const divided = new Int32Array(REACH + MOST_AT_ONCE + REACH);
const sum = Buffer.alloc(8);

/**
 * CRC-64 with the ISO polynomial, as Go's hash/crc64 has it: tar-split keeps it for each file.
 *
 * The polynomial x^64 + x^4 + x^3 + x + 1 has all its terms but the first at the low end: eight bytes
 * fold in with a few shifts and no table. The terms of its 32nd power are 32 times as far apart,
 * x^2048 + x^128 + x^96 + x^32 + 1, which is whole words: long data is first divided by that one,
 * without any shift, and what is left of it by the polynomial itself.
 */
export class Crc64 {
  // The state is reflected: its low word holds the high powers. -1 is Go's initial inversion.
  #low = -1;
  #high = -1;

  update(data: Uint8Array): void {
    const head = Math.min(-data.byteOffset & 3, data.length);
    const words = (data.length - head) >>> 3 << 1;
    const tail = head + words * 4;
    for (let i = 0; i < head; i++) this.#byte(data[i]!);
    if (words > 0) this.#words(new Int32Array(data.buffer, data.byteOffset + head, words));
    for (let i = tail; i < data.length; i++) this.#byte(data[i]!);
  }

  /** The 8 bytes of the sum, the most significant first, in base64. The next sum begins. */
  finish(): string {
    sum.writeInt32BE(~this.#high, 0);
    sum.writeInt32BE(~this.#low, 4);
    this.#low = this.#high = -1;
    return sum.toString("base64");
  }

  #words(words: Int32Array): void {
    let at = 0;
    while (words.length - at >= LONG) {
      const count = Math.min((words.length - at - REACH) & -STRIDE, MOST_AT_ONCE);
      divided.set(words.subarray(at, at + count + REACH), REACH);
      at += count + REACH;
      this.#divide(count);
      this.#fold(divided, REACH + count, REACH + count + REACH);
    }
    this.#fold(words, at, words.length);
  }

  /**
   * Divides the first `count` words in `divided` by the polynomial's 32nd power and adds what is left of
   * them to the {@linkcode REACH} words that follow. The state, which belongs to the first two, is spent.
   */
  #divide(count: number): void {
    divided[REACH]! ^= this.#low;
    divided[REACH + 1]! ^= this.#high;
    this.#low = this.#high = 0;
    const end = REACH + count;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = REACH; i < end; i += STRIDE) {
      const e = divided[i - 60]!;
      const f = divided[i - 59]!;
      const g = divided[i - 58]!;
      const h = divided[i - 57]!;
      divided[i]! ^= a ^ b ^ d ^ e;
      divided[i + 1]! ^= b ^ c ^ e ^ f;
      divided[i + 2]! ^= c ^ d ^ f ^ g;
      divided[i + 3]! ^= d ^ e ^ g ^ h;
      a = e;
      b = f;
      c = g;
      d = h;
    }
    // Each word behind the end is short of those that would reach it from there.
    for (let i = 0; i < REACH; i++) {
      const from = end + i - REACH;
      let left = divided[from]!;
      if (from + 1 < end) left ^= divided[from + 1]!;
      if (from + 3 < end) left ^= divided[from + 3]!;
      if (from + 4 < end) left ^= divided[from + 4]!;
      divided[end + i]! ^= left;
    }
  }

  /** Multiplies by x^64, that is by x^4 + x^3 + x + 1; what overflows on the way, once more. */
  #fold(words: Int32Array, from: number, end: number): void {
    let low = this.#low;
    let high = this.#high;
    for (let i = from; i < end; i += 2) {
      const a = low ^ words[i]!;
      const b = high ^ words[i + 1]!;
      const over = (a << 31) ^ (a << 29) ^ (a << 28);
      low = a ^ (a >>> 1 | b << 31) ^ (a >>> 3 | b << 29) ^ (a >>> 4 | b << 28);
      high = b ^ (b >>> 1) ^ (b >>> 3) ^ (b >>> 4) ^
        over ^ (over >>> 1) ^ (over >>> 3) ^ (over >>> 4);
    }
    this.#low = low;
    this.#high = high;
  }

  #byte(byte: number): void {
    const w = (this.#low ^ byte) & 0xff;
    this.#low = (this.#low >>> 8) | (this.#high << 24);
    this.#high = (this.#high >>> 8) ^ (w << 20) ^ (w << 21) ^ (w << 23) ^ (w << 24);
  }
}
