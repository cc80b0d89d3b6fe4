import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { CpuRates } from "../../../src/stats/rates.ts";

const SECOND = 1_000_000_000n;

describe("the rate of CPU use", () => {
  it("is unknown, 0, at the first reading and the mean since then at the second", () => {
    const rates = new CpuRates();
    assert.equal(rates.next("a", 100n * SECOND, 5n * SECOND), 0);
    assert.equal(rates.next("a", 102n * SECOND, 6n * SECOND), 500_000_000);
  });

  it("stays when two clients ask one right after the other", () => {
    const rates = new CpuRates();
    rates.next("a", 100n * SECOND, 0n);
    assert.equal(rates.next("a", 101n * SECOND, 2n * SECOND), 2_000_000_000);
    assert.equal(rates.next("a", 101n * SECOND + 1n, 9n * SECOND), 2_000_000_000);
    assert.equal(rates.next("a", 102n * SECOND, 2n * SECOND), 0);
  });

  it("is each container's own, and begins anew with a new cgroup", () => {
    const rates = new CpuRates();
    rates.next("a", 1n * SECOND, 50n * SECOND);
    assert.equal(rates.next("b", 2n * SECOND, 99n * SECOND), 0);
    assert.equal(rates.next("a", 2n * SECOND, 1n * SECOND), 0, "the counter went back");
    rates.forget("b");
    assert.equal(rates.next("b", 3n * SECOND, 100n * SECOND), 0);
  });

  it("begins anew when the time of day was set back", () => {
    const rates = new CpuRates();
    rates.next("a", 5_000n * SECOND, 1n * SECOND);
    assert.equal(rates.next("a", 1_000n * SECOND, 2n * SECOND), 0);
    assert.equal(rates.next("a", 1_001n * SECOND, 3n * SECOND), 1_000_000_000);
  });

  it("forgets those that nobody asks for any more", () => {
    const rates = new CpuRates();
    for (let i = 0; i < 300; i++) rates.next(`old${i}`, 1n * SECOND, 0n);
    rates.next("new", 1_000n * SECOND, 0n);
    assert.equal(rates.next("old0", 1_001n * SECOND, 5n * SECOND), 0);
  });
});
