import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Crc64 } from "../../../src/storage/unpack/crc64.ts";

describe("CRC-64/ISO", () => {
  it("has the check value that everyone's has", () => {
    const crc = new Crc64();
    crc.update(Buffer.from("123456789"));
    assert.equal(crc.finish(), Buffer.from("b90956c775a41001", "hex").toString("base64"));
  });

  it("is the same bit by bit, for every length, alignment and cut", () => {
    for (const length of [0, 1, 3, 7, 8, 9, 16, 23, 64, 257, 1023, 1024, 2049, 5000, 40_000]) {
      for (const offset of [0, 1, 2, 3, 4]) {
        const data = crypto.getRandomValues(new Uint8Array(length + offset)).subarray(offset);
        const crc = new Crc64();
        const cut = length * 2 / 3 | 0;
        crc.update(data.subarray(0, cut));
        crc.update(data.subarray(cut));
        assert.equal(crc.finish(), slowly(data));
      }
    }
  });
});

/** The definition, one bit at a time. */
function slowly(data: Uint8Array): string {
  const all = 0xffff_ffff_ffff_ffffn;
  let crc = all;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ 0xd800_0000_0000_0000n : crc >> 1n;
  }
  return Buffer.from((crc ^ all).toString(16).padStart(16, "0"), "hex").toString("base64");
}
