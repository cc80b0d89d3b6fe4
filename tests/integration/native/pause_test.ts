import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { helperProgram } from "./helpers.ts";
import { run } from "../../../src/linux/mod.ts";

const program = await helperProgram();

/** Runs a shell script as PID 2 of a PID namespace whose PID 1 is pause. */
async function besidePause(script: string): Promise<{ code: number; out: string }> {
  const inner = `${script}\n`;
  const { code, stdout, stderr } = await run("unshare", [
    ...["--pid", "--fork", "--mount-proc", "--kill-child"],
    // The script is started first and left to PID 1, which becomes pause.
    ...["sh", "-c", `(sleep 0.1; ${inner}) & exec ${program} pause`],
  ], { timeoutMs: 10_000 });
  return { code, out: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

describe("pause", () => {
  for (const signal of ["TERM", "INT"]) {
    it(`ends with 0 on SIG${signal} as the first process of a namespace`, async () => {
      assert.deepEqual(await besidePause(`kill -${signal} 1`), { code: 0, out: "" });
    });
  }

  it("reaps processes that are left to it", async () => {
    const { code, out } = await besidePause(
      `sh -c 'sleep 0.05 & sleep 0.05 &'; sleep 0.3; grep -c "^State:.Z" /proc/[0-9]*/status |
        grep -v ":0$"; echo done; kill -TERM 1`,
    );
    assert.deepEqual({ code, out }, { code: 0, out: "done\n" });
  });

  it("ignores other signals", async () => {
    const { code, out } = await besidePause("kill -HUP 1; kill -USR1 1; echo alive; kill -TERM 1");
    assert.deepEqual({ code, out }, { code: 0, out: "alive\n" });
  });
});
