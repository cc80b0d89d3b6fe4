import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { cpuMask } from "../../../src/cgroup/systemd/cpu_mask.ts";
import { sharesOfWeight, weightOfShares } from "../../../src/cgroup/values.ts";

describe("a list of CPUs for systemd", () => {
  it("is a bit per CPU, the first in the lowest bit of the first byte", () => {
    assert.deepEqual(cpuMask("0"), [0b1]);
    assert.deepEqual(cpuMask("0-3,8"), [0b1111, 0b1]);
    assert.deepEqual(cpuMask("7,16-17"), [0b1000_0000, 0, 0b11]);
  });

  it("is empty for no CPUs, and ends where no host has any more", () => {
    assert.deepEqual(cpuMask(""), []);
    assert.equal(cpuMask("0-4000000000").length, 8192 / 8 + 1);
  });
});

describe("the weight of shares", () => {
  it("is what runtimes calculate, and leads back", () => {
    assert.deepEqual([2, 1024, 262144].map(weightOfShares), [1, 39, 10000]);
    assert.deepEqual([1, 10000].map(sharesOfWeight), [2, 262144]);
    assert.equal(weightOfShares(sharesOfWeight(59)), 59);
  });
});
