import { before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type CritestRun, runCritest } from "./critest.ts";
import { expectedPass, judge } from "./expected.ts";

for (const runtime of ["runc", "crun"] as const) {
  describe(`critest over crid with ${runtime}`, () => {
    let run: CritestRun;

    before(async () => {
      run = await runCritest({ runtime });
    });

    it("passes every spec of expected_pass.txt", async () => {
      const { broken, unlisted } = judge(run.specs, await expectedPass());
      for (const name of unlisted) console.log(`passes and is not listed yet: ${name}`);
      const text = broken.map(({ name, state, message }) => `${state}: ${name}\n    ${message}`);
      assert.deepEqual(broken, [], text.join("\n"));
    });

    it("leaves nothing on the machine", () => {
      assert.deepEqual(run.leftovers, []);
    });
  });
}

describe("critest over crid with WebSocket", () => {
  it("passes the same specs of streaming as with SPDY", async () => {
    const { specs } = await runCritest({
      runtime: "runc",
      focus: ["Streaming"],
      streaming: "websocket",
    });
    const streaming = Array.from(await expectedPass()).filter((name) => name.includes("Streaming"));
    const { broken } = judge(specs, new Set(streaming));
    assert.deepEqual(broken, []);
  });
});
