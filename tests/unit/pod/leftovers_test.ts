import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Leftovers } from "../../../src/pod/leftovers.ts";

describe("what is left of a pod that was not made", () => {
  /** Things that can be removed once `ready` is set; what was removed, in order. */
  function things() {
    const removed: string[] = [];
    const state = { ready: false };
    const remove = (what: string) => () => {
      if (!state.ready) throw new Error(`${what} is busy`);
      removed.push(what);
    };
    return { removed, state, remove };
  }

  it("is removed, in order, before something of its name is made anew", async () => {
    using leftovers = new Leftovers();
    const { removed, state, remove } = things();
    leftovers.add("pod", "network", remove("network"));
    leftovers.add("pod", "storage", () => leftovers.last("pod", remove("storage")));
    await assert.rejects(leftovers.settle("pod"), /pod: .*left its network.*network is busy/);
    state.ready = true;
    await leftovers.settle("another");
    assert.deepEqual(removed, []);
    await leftovers.settle("pod");
    assert.deepEqual(removed, ["network", "storage"]);
    await leftovers.settle("pod");
    assert.deepEqual(removed, ["network", "storage"]);
  });

  it("keeps its record until everything else is gone", async () => {
    using leftovers = new Leftovers();
    const { removed, state, remove } = things();
    state.ready = true;
    leftovers.add("pod", "network", () => Promise.reject(new Error("busy")));
    await assert.rejects(leftovers.last("pod", remove("storage")), /kept until/);
    await leftovers.last("another", remove("storage of another"));
    assert.deepEqual(removed, ["storage of another"]);
  });

  it("keeps what its network needs until the network is gone", async () => {
    using leftovers = new Leftovers();
    const { removed, state, remove } = things();
    const unpin = () => leftovers.after("pod", "network", remove("namespaces"));
    leftovers.add("pod", "network", remove("network"));
    await assert.rejects(unpin(), /kept until its network is gone/);
    leftovers.add("pod", "namespaces", unpin);
    state.ready = true;
    await leftovers.settle("pod");
    assert.deepEqual(removed, ["network", "namespaces"]);
  });

  it("is waited for while it is being taken away", async () => {
    using leftovers = new Leftovers();
    const { removed, state, remove } = things();
    state.ready = true;
    const slow = Promise.withResolvers<void>();
    leftovers.takeAway("pod", async () => {
      await slow.promise;
      remove("first")();
    });
    leftovers.takeAway("pod", () => Promise.try(remove("second")));
    await leftovers.settle("another");
    const settled = leftovers.settle("pod").then(() =>
      assert.deepEqual(removed, ["first", "second"])
    );
    assert.deepEqual(removed, []);
    slow.resolve();
    await settled;
  });

  it("is tried again by itself", async () => {
    using leftovers = new Leftovers();
    const { promise, resolve } = Promise.withResolvers<void>();
    let tries = 0;
    leftovers.add("pod", "network", () => {
      if (++tries < 2) throw new Error("busy");
      resolve();
    });
    await promise;
    assert.equal(tries, 2);
  });
});
