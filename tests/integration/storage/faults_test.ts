import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runOnFaultyDisk } from "./faulty_disk.ts";

const CHILD = fileURLToPath(new URL("fault_child.ts", import.meta.url));
/** Fewer than there are; if there are no more, the disk did not fail. */
const LEAST_STEPS = 40;

describe("a store whose disk fails at each step of a pull, a container's life and a removal", () => {
  it("is whole and tidy after a restart when everything stops there, as with kill -9", async () => {
    const steps = Number(await runOnFaultyDisk(CHILD, ["dead"]));
    assert.ok(steps > LEAST_STEPS, `${steps} steps`);
  });

  it("is left by what fails as it was when the disk is full, and goes on with room again", async () => {
    const steps = Number(await runOnFaultyDisk(CHILD, ["full"]));
    assert.ok(steps > LEAST_STEPS, `${steps} steps`);
  });
});
