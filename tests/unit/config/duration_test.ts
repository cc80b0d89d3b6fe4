import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { formatDuration, parseDuration } from "../../../src/config/mod.ts";

describe("durations", () => {
  const read: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["0s", 0],
    ["5s", 5000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["200ms", 200],
    ["1us", 0.001],
    ["-2s", -2000],
    ["+2s", 2000],
  ];
  for (const [text, milliseconds] of read) {
    it(`${text} is ${milliseconds} ms`, () => assert.equal(parseDuration(text), milliseconds));
  }

  for (const text of ["", "5", "s", "1s2", "1 s", "1d", "--1s", "1s x"]) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.throws(() => parseDuration(text), /time: invalid duration/);
    });
  }

  const written: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [5000, "5s"],
    [90_000, "1m30s"],
    [3_600_000, "1h0m0s"],
    [1500, "1.5s"],
    [200, "200ms"],
    [0.5, "500µs"],
    [-1000, "-1s"],
  ];
  for (const [milliseconds, text] of written) {
    it(`${milliseconds} ms are written ${text}`, () => {
      assert.equal(formatDuration(milliseconds), text);
      assert.equal(parseDuration(text), milliseconds);
    });
  }
});
