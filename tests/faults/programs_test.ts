import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Code } from "@grpc/grpc-js";
import {
  type Crid,
  isolate,
  isServiceError,
  startCrid,
  startImageRegistry,
} from "../harness/mod.ts";
import { BUSYBOX } from "../images/mod.ts";
import { COMPLAINT, type Fault, type FaultyPrograms, faultyPrograms } from "./faulty_programs.ts";
import { type CallName, Life } from "./life.ts";
import { type Step, stepName, stepsOf } from "./steps.ts";

const FAULTS: readonly Fault[] = [
  "fails",
  "fails late",
  "breaks",
  "lies",
  "is killed",
  "is killed late",
  "hangs",
];

for (const runtime of ["runc", "crun"] as const) {
  describe(`a pod of ${runtime} when a program`, () => {
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
      for (const fault of FAULTS) {
        it(`${stepName(step)} ${fault}: ${step.call} says so, and its retry works`, async () => {
          const life = new Life(crid, step.kind);
          await life.until(step.call);
          await programs.set(step.program, fault, step.pattern, crid.pid);
          if (fault === "hangs") {
            const { code } = await failure(life.do(step.call, { signal: programs.untilStruck() }));
            assert.equal(code, Code.CANCELLED);
            await life.nothingHalfMade(step.call);
          } else {
            const outcome = await settled(life.do(step.call));
            assert.ok(await programs.struck(), "the program was not called");
            if (outcome !== undefined) judge(step, fault, outcome);
            else assert.ok(mayStillSucceed(step, fault), "the call succeeds");
            if (outcome !== undefined) await life.nothingHalfMade(step.call);
          }
          await programs.clear();
          await life.from(step.call);
        });
      }
    }
  });
}

interface Failure {
  readonly code: number;
  readonly details: string;
}

function judge(step: Step, fault: Fault, { code, details }: Failure): void {
  assert.notEqual(code, Code.DEADLINE_EXCEEDED, details);
  assert.match(details, step.message);
  if (fault === "fails") assert.match(details, new RegExp(COMPLAINT));
}

/**
 * A program that says that all is well is believed where its work shows nowhere. What should be gone
 * is looked for: if it is gone, whoever said what, the call succeeds.
 */
function mayStillSucceed({ call, pattern }: Step, fault: Fault): boolean {
  const takesAway: readonly CallName[] = ["stopPodSandbox", "removeContainer"];
  if (takesAway.includes(call)) return fault !== "fails";
  return fault === "lies" && ["start", "update"].includes(pattern);
}

async function settled(call: Promise<unknown>): Promise<Failure | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (isServiceError(error)) return error;
    throw error;
  }
}

async function failure(call: Promise<unknown>): Promise<Failure> {
  const outcome = await settled(call);
  assert.ok(outcome !== undefined, "the call succeeds");
  return outcome;
}
