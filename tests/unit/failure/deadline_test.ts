import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { abortable, CridError, deadline, isCode, Timer } from "../../../src/failure/mod.ts";

/** More than the 32 bits of the runtime's timers hold: 30 days. */
const THIRTY_DAYS_MS = 30 * 24 * 3_600_000;

describe("deadline", () => {
  it("aborts with what took too long", async () => {
    using limit = deadline("CNI ADD", 5);
    await assert.rejects(
      abortable(new Promise(() => {}), limit.signal),
      (error) => isCode(error, "deadline_exceeded") && error.message.startsWith("CNI ADD took"),
    );
  });

  it("aborts with its parent, and for the parent's reason", () => {
    const parent = new AbortController();
    using limit = deadline("anything", 60_000, parent.signal);
    parent.abort(new CridError("cancelled", "gone"));
    assert.equal(limit.signal.reason.message, "gone");
  });

  it("does not take a month for no time at all", async () => {
    using limit = deadline("a slow thing", THIRTY_DAYS_MS);
    await pause(20);
    assert.equal(limit.signal.aborted, false);
  });
});

describe("Timer", () => {
  it("goes off once, and not when it is disposed of", async () => {
    const calls: string[] = [];
    const one = new Timer(1, () => calls.push("one"));
    const other = new Timer(1, () => calls.push("other"));
    other[Symbol.dispose]();
    await pause(20);
    one[Symbol.dispose]();
    assert.deepEqual(calls, ["one"]);
  });

  it("waits for months where it is asked to", async () => {
    let isUp = false;
    using _timer = new Timer(THIRTY_DAYS_MS, () => isUp = true);
    await pause(20);
    assert.equal(isUp, false);
  });
});

describe("abortable", () => {
  it("hears of no failure that comes after the abort", async () => {
    const unheard: unknown[] = [];
    const listen = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      unheard.push(event.reason);
    };
    globalThis.addEventListener("unhandledrejection", listen);
    try {
      const gone = AbortSignal.abort(new CridError("cancelled", "gone"));
      const work = Promise.withResolvers<void>();
      const wait = assert.rejects(abortable(work.promise, gone), /gone/);
      work.reject(new Error("the work has failed later"));
      await wait;
      await pause(5);
      assert.deepEqual(unheard, []);
    } finally {
      globalThis.removeEventListener("unhandledrejection", listen);
    }
  });
});
