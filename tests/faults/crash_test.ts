import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type Lane, Lanes } from "./lanes.ts";
import { Life } from "./life.ts";
import { type Step, stepName, stepsOf } from "./steps.ts";

/** When crid is killed: before, after or while a program does its work. */
const MOMENTS = {
  before: "crashes crid",
  after: "crashes crid late",
  while: "hangs",
} as const;
type Moment = keyof typeof MOMENTS;

/** With the second runtime the one at which it has left something. */
const MOMENTS_OF: Readonly<Record<"runc" | "crun", readonly Moment[]>> = {
  runc: ["before", "after", "while"],
  crun: ["after"],
};

for (const runtime of ["runc", "crun"] as const) {
  describe(`a pod of ${runtime} when crid is killed with -9`, () => {
    const lanes = new Lanes(runtime);
    before(() => lanes.start());
    after(() => lanes[Symbol.asyncDispose]());

    for (const step of stepsOf(runtime)) {
      for (const moment of MOMENTS_OF[runtime]) {
        const hangs = moment === "while" ? " hangs" : "";
        it(
          `${moment} ${stepName(step)}${hangs} in ${step.call} lives on after a restart`,
          lanes.add((lane) => survive(lane, step, moment)),
        );
      }
    }
  });
}

async function survive({ crid, programs }: Lane, step: Step, moment: Moment): Promise<void> {
  const life = new Life(crid, step.kind);
  await life.until(step.call);
  await programs.set(step.program, MOMENTS[moment], step.pattern, crid.pid);
  if (moment === "while") {
    await assert.rejects(life.do(step.call, { signal: programs.untilStruck() }));
    await crid.kill9();
    // What hung comes to its senses and does its work for nobody, as crid starts.
    await programs.clear();
  } else {
    await assert.rejects(life.do(step.call));
    assert.ok(await programs.struck(), "the program was not called");
    await crid.kill9();
  }
  await crid.start();
  await life.from(step.call);
  assert.deepEqual(await crid.leftovers(), []);
}
