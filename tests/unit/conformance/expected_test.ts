import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { judge } from "../../conformance/expected.ts";

const spec = (name: string, state: string) => ({ name, state, seconds: 1, message: "" });

describe("the list of specs that have to pass", () => {
  it("calls a listed spec broken that fails, is skipped or does not run", () => {
    const specs = [spec("fails", "failed"), spec("skips", "skipped"), spec("passes", "passed")];
    const { broken } = judge(specs, new Set(["fails", "skips", "passes", "gone"]));
    assert.deepEqual(
      broken.map(({ name, state }) => [name, state]),
      [["fails", "failed"], ["skips", "skipped"], ["gone", "not run"]],
    );
  });

  it("reports what passes without being listed", () => {
    const { broken, unlisted } = judge([spec("new", "passed"), spec("bad", "failed")], new Set());
    assert.deepEqual(broken, []);
    assert.deepEqual(unlisted, ["new"]);
  });
});
