import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Lanes } from "./lanes.ts";
import { type CallName, CALLS, Life } from "./life.ts";

/** Parts of a life at which crid is killed; a long run takes more of them. */
const MOMENTS = Deno.env.get("CRID_TEST_LONG") === undefined ? 6 : 100;

/**
 * Between the calls of programs, which the table of steps has, crid writes its own files: here it is
 * killed anywhere.
 */
describe("a pod when crid is killed with -9", () => {
  const lanes = new Lanes("runc");
  /** How long a life takes that nothing befalls. */
  let whole: Promise<number> | undefined;
  before(() => lanes.start());
  after(() => lanes[Symbol.asyncDispose]());

  for (let number = 0; number < MOMENTS; number++) {
    const part = (number + 0.5) / MOMENTS;
    it(
      `${Math.round(part * 100)} % into its life lives on after a restart`,
      lanes.add(async ({ crid }) => {
        whole ??= timeOf(() => live(new Life(crid, "plain"), () => {}));
        const moment = part * await whole;
        const life = new Life(crid, "plain");
        let current: CallName = "runPodSandbox";
        const living = live(life, (call) => current = call).then(() => false, () => true);
        await new Promise((resolve) => setTimeout(resolve, moment));
        Deno.kill(crid.pid, "SIGKILL");
        const hasFailed = await living;
        // Also its client, which must not remember that nobody was there.
        await crid.kill9();
        await crid.start();
        // A life that was faster than the one before it was over already.
        if (hasFailed) await life.from(current);
        assert.deepEqual(await crid.leftovers(), []);
      }),
    );
  }
});

/** All calls of a life, telling which one comes next. */
async function live(life: Life, tell: (call: CallName) => void): Promise<void> {
  for (const call of CALLS) {
    tell(call);
    await life.do(call);
  }
}

async function timeOf(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
