import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { slicePath } from "../../../src/cgroup/systemd/slice.ts";

describe("a slice's path", () => {
  for (
    const [slice, path] of [
      ["system.slice", "/system.slice"],
      ["kubepods-burstable.slice", "/kubepods.slice/kubepods-burstable.slice"],
      ["a-b-c_d.slice", "/a.slice/a-b.slice/a-b-c_d.slice"],
      ["-.slice", "/"],
    ] as const
  ) {
    it(`of ${slice} is ${path}`, () => assert.equal(slicePath(slice), path));
  }

  for (const name of ["", ".slice", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "a.scope"]) {
    it(`is refused for ${JSON.stringify(name)}`, () => {
      assert.throws(() => slicePath(name), { code: "invalid_argument" });
    });
  }
});
