import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { signalNumber } from "../../../src/pod/signals.ts";

describe("the number of a signal", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["SIGTERM", 15],
    ["term", 15],
    ["9", 9],
    ["SIGQUIT", 3],
    ["SIGRTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["RTMAX-1", 63],
    ["SIGRTMINPLUS15", 49],
    ["SIGRTMAXMINUS14", 50],
    ["0", undefined],
    ["65", undefined],
    ["SIGNOTHING", undefined],
    ["", undefined],
  ];
  for (const [text, number] of cases) {
    it(`of "${text}" is ${number ?? "not known"}`, () => {
      assert.equal(signalNumber(text), number);
    });
  }
});
