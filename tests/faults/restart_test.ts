import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { Fault, ProgramName } from "./faulty_programs.ts";
import { type Lane, Lanes } from "./lanes.ts";
import { type CallName, Life } from "./life.ts";

/** A call of a program that a starting crid makes. */
interface Start {
  /** What crid was killed in before; a life is there as far as that. */
  readonly killedIn: CallName;
  /** The program that has done its work for nobody then. */
  readonly unheard: readonly [program: ProgramName, pattern: string];
  /** What is asked of which program at the start. */
  readonly program: ProgramName;
  readonly pattern: string;
}

const STARTS: readonly Start[] = [
  {
    killedIn: "runPodSandbox",
    unheard: ["bridge", "ADD"],
    program: "bridge",
    pattern: "DEL",
  },
  {
    killedIn: "createContainer",
    unheard: ["runtime", "create"],
    program: "runtime",
    pattern: "delete",
  },
  {
    killedIn: "startContainer",
    unheard: ["runtime", "start"],
    program: "runtime",
    pattern: "state",
  },
];

const FAULTS: readonly Fault[] = ["fails", "lies", "is killed", "hangs"];
/** A start from source on a busy machine; a program that hangs has a minute. */
const PROMPT_MS = 25_000;

describe("crid when it starts and a program", () => {
  const lanes = new Lanes("runc");
  before(() => lanes.start());
  after(() => lanes[Symbol.asyncDispose]());

  for (const start of STARTS) {
    for (const fault of FAULTS) {
      // A plugin is believed that says that an address is free: nobody else knows of it.
      if (start.pattern === "DEL" && fault === "lies") continue;
      it(
        `${start.program} ${start.pattern} ${fault}: it serves, and what ${start.killedIn} left is repaired`,
        lanes.add((lane) => restart(lane, start, fault)),
      );
    }
  }

  it(
    "runtime --version fails: it says which program of which handler, and starts with a whole one",
    lanes.add(async ({ crid, programs }) => {
      const life = new Life(crid, "plain");
      await life.until("execSync");
      await crid.kill9();
      await programs.set("runtime", "fails", "--version", 0);
      await assert.rejects(crid.start(), /default runtime handler .*--version: disk on fire/);
      await programs.clear();
      await crid.start();
      await life.works();
      await life.from("execSync");
    }),
  );
});

async function restart({ crid, programs }: Lane, start: Start, fault: Fault): Promise<void> {
  const { killedIn, unheard: [unheard, work], program, pattern } = start;
  const life = new Life(crid, "plain");
  await life.until(killedIn);
  await programs.set(unheard, "crashes crid late", work, crid.pid);
  await assert.rejects(life.do(killedIn));
  await crid.kill9();
  await programs.set(program, fault, pattern, 0);
  const began = performance.now();
  await crid.start();
  await crid.client.runtime.listPodSandbox();
  assert.ok(performance.now() - began < PROMPT_MS, "it has waited for the program");
  await new Promise((resolve) =>
    programs.untilStruck().addEventListener("abort", resolve, { once: true })
  );
  await programs.clear();
  await life.from(killedIn);
  assert.deepEqual(await crid.leftovers(), []);
}
