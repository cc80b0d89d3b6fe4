import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isPinned } from "../../../src/image/pinned.ts";
import { SharedWork } from "../../../src/image/shared_work.ts";
import { Slots } from "../../../src/image/slots.ts";
import { imageUser } from "../../../src/image/image_config.ts";

/** Work that ends when the test says so, and some time after it is aborted. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { begun: 0, stopped: false, resolve, reject };
  const begin = (signal: AbortSignal) => {
    state.begun++;
    signal.addEventListener("abort", () =>
      setTimeout(() => {
        state.stopped = true;
        reject(signal.reason);
      }, 20));
    return promise;
  };
  return { state, begin };
}

describe("shared work", () => {
  it("is done once for all who ask", async () => {
    const shared = new SharedWork<string>();
    const { state, begin } = work();
    const all = [1, 2, 3].map(() => shared.run("k", begin));
    state.resolve("done");
    assert.deepEqual(await Promise.all(all), ["done", "done", "done"]);
    assert.equal(state.begun, 1);
    assert.equal(shared.join("k"), undefined);
  });

  it("goes on when one of two leaves", async () => {
    const shared = new SharedWork<string>();
    const { state, begin } = work();
    const leaving = new AbortController();
    const one = shared.run("k", begin, leaving.signal);
    const two = shared.run("k", begin);
    leaving.abort(new Error("bye"));
    await assert.rejects(one, /bye/);
    assert.equal(state.stopped, false);
    state.resolve("done");
    assert.equal(await two, "done");
  });

  it("is stopped by the last one to leave, who waits until it has stopped", async () => {
    const shared = new SharedWork<string>();
    const { state, begin } = work();
    const leaving = new AbortController();
    const both = [1, 2].map(() => shared.run("k", begin, leaving.signal));
    leaving.abort(new Error("bye"));
    const results = await Promise.allSettled(both);
    assert.ok(results.every((result) => result.status === "rejected" && /bye/.test(result.reason)));
    assert.ok(state.stopped);
  });

  it("that is being stopped is not joined", async () => {
    const shared = new SharedWork<string>();
    const first = work();
    const leaving = new AbortController();
    const one = shared.run("k", first.begin, leaving.signal);
    leaving.abort(new Error("bye"));
    const second = work();
    const two = shared.run("k", second.begin);
    second.state.resolve("anew");
    assert.equal(await two, "anew");
    await assert.rejects(one, /bye/);
  });

  it("fails for all, and can be done again", async () => {
    const shared = new SharedWork<string>();
    const { state, begin } = work();
    const both = [1, 2].map(() => shared.run("k", begin));
    state.reject(new Error("broken"));
    for (const each of both) await assert.rejects(each, /broken/);
    assert.equal(await shared.run("k", () => Promise.resolve("again")), "again");
  });
});

describe("slots", () => {
  it("are never more than there are, and those who leave the line do not block it", async () => {
    const slots = new Slots(2);
    const never = new AbortController().signal;
    const leaving = new AbortController();
    const [one] = [await slots.take(never), await slots.take(never)];
    const left = slots.take(leaving.signal);
    let taken = false;
    const waiting = slots.take(never).then((slot) => {
      taken = true;
      return slot;
    });
    leaving.abort(new Error("bye"));
    await assert.rejects(left, /bye/);
    assert.equal(taken, false);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    await waiting;
    let third = false;
    slots.take(never).then(() => third = true);
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(third, false, "disposing a slot twice gave two");
  });
});

describe("pinned images", () => {
  const names = ["registry.k8s.io/pause:3.9", "a".repeat(64)];
  const rows: [string, boolean][] = [
    ["registry.k8s.io/pause:3.9", true],
    ["REGISTRY.k8s.io/pause:3.9", true],
    ["registry.k8s.io/pause", false],
    ["registry.k8s.io/*", true],
    ["k8s.io/pause*", true],
    ["*pause*", true],
    ["*pauze*", false],
    ["a".repeat(64), true],
    ["", false],
    ["*", false],
  ];
  for (const [pattern, expected] of rows) {
    it(`${expected ? "are" : "are not"} those of ${JSON.stringify(pattern)}`, () => {
      assert.equal(isPinned([pattern], names), expected);
    });
  }
});

describe("the user of an image", () => {
  for (
    const [text, uid, username] of [
      ["", undefined, ""],
      ["1002", 1002, ""],
      ["1003:1004", 1003, ""],
      ["www-data", undefined, "www-data"],
      ["www-data:1004", undefined, "www-data"],
    ] as const
  ) {
    it(`${JSON.stringify(text)} has the uid ${uid} and the name ${JSON.stringify(username)}`, () => {
      assert.deepEqual(imageUser(text), { uid, username });
    });
  }
});
