import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { fromRfc3339, toRfc3339 } from "../../../src/pod/time.ts";

describe("times in a pod's files", () => {
  it("come back with all their nanoseconds", () => {
    const time = 1_700_000_000_123_456_789n;
    assert.equal(toRfc3339(time), "2023-11-14T22:13:20.123456789Z");
    assert.equal(fromRfc3339(toRfc3339(time)), time);
  });

  it("are read as Go writes them, with a zone and with fewer digits", () => {
    assert.equal(fromRfc3339("2023-11-14T23:13:20.5+01:00"), 1_700_000_000_500_000_000n);
  });

  it("are none for what CRI-O writes of that which has not happened", () => {
    assert.equal(fromRfc3339("0001-01-01T00:00:00Z"), 0n);
    assert.equal(fromRfc3339(""), 0n);
  });
});
