/**
 * CRC-64 with the ISO polynomial, as Go's hash/crc64 has it: tar-split keeps it for each file.
 *
 * The polynomial x^64 + x^4 + x^3 + x + 1 has all its terms but the first at the low end, so 32 bits
 * of input reduce with four shifts and no table: some 2 GB/s.
 */
export class Crc64 {
  // The state is reflected: its low word holds the high powers. -1 is Go's initial inversion.
  #low = -1;
  #high = -1;

  update(data: Uint8Array): void {
    let [low, high] = [this.#low, this.#high];
    const end = data.length;
    let i = 0;
    const step = (byte: number) => {
      const w = (low ^ byte) & 0xff;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ byteTerm(w);
    };
    while (i < end && ((data.byteOffset + i) & 3) !== 0) step(data[i++]!);
    const count = (end - i) >> 2;
    if (count > 0) {
      const words = new Int32Array(data.buffer, data.byteOffset + i, count);
      for (let k = 0; k < count; k++) {
        const w = low ^ words[k]!;
        low = high ^ (w << 28) ^ (w << 29) ^ (w << 31);
        high = (w >>> 4) ^ (w >>> 3) ^ (w >>> 1) ^ w;
      }
      i += count << 2;
    }
    while (i < end) step(data[i++]!);
    this.#low = low;
    this.#high = high;
  }

  /** The 8 bytes of the sum, the most significant first, in base64. */
  base64(): string {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setInt32(0, ~this.#high);
    bytes.setInt32(4, ~this.#low);
    return btoa(String.fromCharCode(...new Uint8Array(bytes.buffer)));
  }
}

/** What one byte of overflow adds to the high word; the low word gets nothing of it. */
function byteTerm(w: number): number {
  return (w << 20) ^ (w << 21) ^ (w << 23) ^ (w << 24);
}
