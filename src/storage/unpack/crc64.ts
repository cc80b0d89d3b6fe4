/**
 * CRC-64 with the ISO polynomial, as Go's hash/crc64 has it: tar-split keeps it for each file.
 *
 * The polynomial x^64 + x^4 + x^3 + x + 1 has all its terms but the first at the low end: eight bytes
 * fold in with a few shifts and no table.
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

  /** Multiplies by x^64, that is by x^4 + x^3 + x + 1; what overflows on the way, once more. */
  #words(words: Int32Array): void {
    let [low, high] = [this.#low, this.#high];
    for (let i = 0; i < words.length; i += 2) {
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

  /** The 8 bytes of the sum, the most significant first, in base64. */
  base64(): string {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setInt32(0, ~this.#high);
    bytes.setInt32(4, ~this.#low);
    return btoa(String.fromCharCode(...new Uint8Array(bytes.buffer)));
  }
}
