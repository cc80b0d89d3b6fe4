import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { settleOomScore } from "../../../src/oci/mod.ts";

describe("the OOM score of a created container", () => {
  let child: ChildProcess & { pid: number };

  beforeEach(async () => {
    const started = spawn("sleep", ["600"], { stdio: "ignore" });
    await once(started, "spawn");
    child = started as ChildProcess & { pid: number };
  });

  afterEach(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  const score = () => Number(Deno.readTextFileSync(`/proc/${child.pid}/oom_score_adj`));

  it("becomes what its spec says, whatever the runtime has made of it", () => {
    const higher = score() + 100;
    settleOomScore(child.pid, higher);
    assert.equal(score(), higher);
    settleOomScore(child.pid, higher);
    assert.equal(score(), higher);
  });

  it("stays as it is when the spec says nothing", () => {
    const own = score();
    settleOomScore(child.pid, undefined);
    assert.equal(score(), own);
  });

  it("is no matter any more when the process has ended", async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
    settleOomScore(child.pid, 500);
  });
});
