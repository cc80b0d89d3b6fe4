import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { buildInfo } from "../../../src/cli/mod.ts";

describe("the build information", () => {
  it("has the version of deno.json, so that one release has one number", async () => {
    const path = new URL("../../../deno.json", import.meta.url);
    const { version } = JSON.parse(await Deno.readTextFile(path));
    assert.equal(buildInfo.version, version);
  });
});
