import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Creations } from "../../../src/pod/creations.ts";

/** Creations whose outcomes are written down. */
function recorded(unclaimedMs?: number) {
  const claimed: string[] = [];
  const abandoned = Promise.withResolvers<string>();
  const creations = new Creations({
    claim: (id) => void claimed.push(id),
    abandon: (id) => Promise.resolve(abandoned.resolve(id)),
  }, unclaimedMs);
  return { creations, claimed, abandoned: abandoned.promise };
}

const patient = new AbortController().signal;

describe("creations", () => {
  it("are joined by a retry for the same name, which gets the same id", async () => {
    const { creations, claimed } = recorded();
    const work = Promise.withResolvers<string>();
    let made = 0;
    const make = () => {
      made++;
      return work.promise;
    };
    const first = creations.join("pod", patient, make);
    const second = creations.join("pod", patient, make);
    work.resolve("id");
    assert.deepEqual(await Promise.all([first, second]), ["id", "id"]);
    assert.equal(made, 1);
    assert.deepEqual(claimed, ["id", "id"]);
  });

  it("go on when their client hangs up, and the retry gets the result", async () => {
    const { creations, claimed } = recorded();
    const work = Promise.withResolvers<string>();
    const client = new AbortController();
    const first = creations.join("pod", client.signal, () => work.promise);
    client.abort(new Error("deadline"));
    await assert.rejects(first, /deadline/);
    work.resolve("id");
    await creations.settled();
    assert.deepEqual(claimed, [], "nobody has got the id yet");
    const retry = creations.join("pod", patient, () => Promise.reject(new Error("made twice")));
    assert.equal(await retry, "id");
    assert.deepEqual(claimed, ["id"]);
  });

  it("are taken away when nobody asks again", async () => {
    const { creations, abandoned, claimed } = recorded(5);
    const client = new AbortController();
    const work = Promise.withResolvers<string>();
    const first = creations.join("pod", client.signal, () => work.promise);
    client.abort();
    await assert.rejects(first);
    work.resolve("id");
    assert.equal(await abandoned, "id");
    assert.deepEqual(claimed, []);
    assert.equal(await creations.join("pod", patient, () => Promise.resolve("new")), "new");
  });

  it("are not given to whoever asks while they are taken away", async () => {
    const removal = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const creations = new Creations({
      claim: () => {},
      abandon: () => {
        begun.resolve();
        return removal.promise;
      },
    }, 5);
    const client = new AbortController();
    const first = creations.join("pod", client.signal, () => Promise.resolve("old"));
    client.abort();
    await assert.rejects(first);
    await begun.promise;
    const order: string[] = [];
    const retry = creations.join("pod", patient, () => {
      order.push("made");
      return Promise.resolve("new");
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push("removed");
    removal.resolve();
    assert.equal(await retry, "new");
    assert.deepEqual(order, ["removed", "made"]);
  });

  it("that fail tell everyone who waits, and the next attempt begins anew", async () => {
    const { creations } = recorded();
    const fail = () => Promise.reject(new Error("no disk"));
    const both = [creations.join("pod", patient, fail), creations.join("pod", patient, fail)];
    for (const one of both) await assert.rejects(one, /no disk/);
    assert.equal(await creations.join("pod", patient, () => Promise.resolve("id")), "id");
  });

  it("are forgotten once claimed, so that the same name can be made again", async () => {
    const { creations } = recorded(5);
    assert.equal(await creations.join("pod", patient, () => Promise.resolve("one")), "one");
    assert.equal(await creations.join("pod", patient, () => Promise.resolve("two")), "two");
  });
});
