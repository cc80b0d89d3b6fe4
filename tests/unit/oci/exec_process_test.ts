import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { firstCpu } from "../../../src/oci/exec_process.ts";

describe("the first CPU of a container", () => {
  it("is the lowest of its list, in whatever order", () => {
    assert.equal(firstCpu("3"), 3);
    assert.equal(firstCpu("2-5"), 2);
    assert.equal(firstCpu("8-11,4,6-7"), 4);
    assert.equal(firstCpu("0,1"), 0);
  });

  it("is none when there is no list", () => {
    assert.equal(firstCpu(""), undefined);
    assert.equal(firstCpu("\n"), undefined);
  });
});
