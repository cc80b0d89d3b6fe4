import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Code } from "@grpc/grpc-js";
import { isServiceError } from "../harness/mod.ts";
import { COMPLAINT, type Fault } from "./faulty_programs.ts";
import { type Lane, Lanes } from "./lanes.ts";
import { type CallName, Life } from "./life.ts";
import { type Step, stepName, stepsOf } from "./steps.ts";

/** With the second runtime those that it has a part in: what it says, and what it leaves half made. */
const FAULTS: Readonly<Record<"runc" | "crun", readonly Fault[]>> = {
  runc: ["fails", "fails late", "breaks", "lies", "is killed", "is killed late", "hangs"],
  crun: ["fails late", "breaks", "is killed late"],
};

/** A plugin that says that it has taken an address away is believed: nobody else knows of it. */
function cannotBeTold({ pattern }: Step, fault: Fault): boolean {
  return pattern === "DEL" && fault === "lies";
}

for (const runtime of ["runc", "crun"] as const) {
  describe(`a pod of ${runtime} when a program`, () => {
    const lanes = new Lanes(runtime);
    before(() => lanes.start());
    after(() => lanes[Symbol.asyncDispose]());

    for (const step of stepsOf(runtime)) {
      for (const fault of FAULTS[runtime]) {
        if (cannotBeTold(step, fault)) continue;
        it(
          `${stepName(step)} ${fault}: ${step.call} says so, and its retry works`,
          lanes.add((lane) => meet(lane, step, fault)),
        );
      }
    }
  });
}

async function meet({ crid, programs }: Lane, step: Step, fault: Fault): Promise<void> {
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
