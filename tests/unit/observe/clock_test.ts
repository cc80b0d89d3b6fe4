import { afterEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { now } from "../../../src/observe/mod.ts";

const HOUR_MS = 3_600_000;
const realNow = Date.now;

afterEach(() => {
  Date.now = realNow;
});

function millisecondsFrom(time: number): number {
  return Math.abs(Number(now() / 1_000_000n) - time);
}

describe("now", () => {
  it("follows the time of day when that is set, forwards and back", () => {
    assert.ok(millisecondsFrom(realNow()) < 1000);
    Date.now = () => realNow() + HOUR_MS;
    assert.ok(millisecondsFrom(realNow() + HOUR_MS) < 1000);
    Date.now = () => realNow() - HOUR_MS;
    assert.ok(millisecondsFrom(realNow() - HOUR_MS) < 1000);
  });

  it("tells microseconds", () => {
    const times = Array.from({ length: 100 }, () => now());
    assert.ok(times.some((time) => time % 1_000_000n !== 0n));
  });
});
