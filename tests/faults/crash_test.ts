import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type Crid, isolate, startCrid, startImageRegistry } from "../harness/mod.ts";
import { BUSYBOX } from "../images/mod.ts";
import { type FaultyPrograms, faultyPrograms } from "./faulty_programs.ts";
import { Life } from "./life.ts";
import { stepName, stepsOf } from "./steps.ts";

for (const runtime of ["runc", "crun"] as const) {
  describe(`a pod of ${runtime} when crid is killed with -9`, () => {
    const stack = new AsyncDisposableStack();
    let crid: Crid;
    let programs: FaultyPrograms;

    before(async () => {
      const isolation = stack.use(await isolate());
      const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
      programs = stack.use(await faultyPrograms(runtime));
      const { settings } = programs;
      crid = stack.use(await startCrid({ registry: registry.host, isolation, settings }));
      await crid.client.image.pullImage({ image: { image: BUSYBOX } });
    });
    after(() => stack.disposeAsync());
    afterEach(async () => {
      await programs.clear();
      await crid.removePods();
      assert.deepEqual(await crid.leftovers(), []);
    });

    for (const step of stepsOf(runtime)) {
      for (const fault of ["crashes crid", "crashes crid late"] as const) {
        const when = fault === "crashes crid" ? "before" : "after";
        it(`${when} ${stepName(step)} in ${step.call} lives on after a restart`, async () => {
          const life = new Life(crid, step.kind);
          await life.until(step.call);
          await programs.set(step.program, fault, step.pattern, crid.pid);
          await assert.rejects(life.do(step.call));
          assert.ok(await programs.struck(), "the program was not called");
          await crid.kill9();
          await crid.start();
          await life.from(step.call);
          assert.deepEqual(await crid.leftovers(), []);
        });
      }

      it(`while ${stepName(step)} hangs in ${step.call} lives on after a restart`, async () => {
        const life = new Life(crid, step.kind);
        await life.until(step.call);
        await programs.set(step.program, "hangs", step.pattern, crid.pid);
        await assert.rejects(life.do(step.call, { signal: programs.untilStruck() }));
        await crid.kill9();
        // What hung comes to its senses and does its work for nobody, as crid starts.
        await programs.clear();
        await crid.start();
        await life.from(step.call);
        assert.deepEqual(await crid.leftovers(), []);
      });
    }
  });
}
