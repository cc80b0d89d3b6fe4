import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { EventHub } from "../../../src/pod/events.ts";
import type { ContainerEvent } from "../../../src/pod/types.ts";

const event = (number: number): ContainerEvent => ({
  containerId: String(number),
  type: "created",
  createdAt: BigInt(number),
  sandbox: undefined,
  containers: [],
});

describe("the event hub", () => {
  it("gives every reader all events in the order of their making", async () => {
    const hub = new EventHub(() => {});
    const controller = new AbortController();
    const read = async () => {
      const seen = [];
      for await (const { containerId } of hub.subscribe(controller.signal)) {
        seen.push(Number(containerId));
        if (seen.length === 20) return seen;
      }
      return seen;
    };
    const readers = [read(), read()];
    for (let number = 0; number < 20; number++) {
      hub.publish(event(number));
      if (number % 7 === 0) await Promise.resolve();
    }
    const expected = Array.from({ length: 20 }, (_, number) => number);
    assert.deepEqual(await Promise.all(readers), [expected, expected]);
    assert.equal(hub.listening, false);
  });

  it("drops the oldest events of a reader that falls too far behind, and says how many", async () => {
    let dropped = 0;
    const hub = new EventHub((count) => dropped += count);
    const controller = new AbortController();
    const slow = hub.subscribe(controller.signal);
    const first = slow.next();
    hub.publish(event(0));
    await first;
    for (let number = 1; number <= 1300; number++) hub.publish(event(number));
    assert.equal(dropped, 300);
    const { value } = await slow.next();
    assert.equal(value.containerId, "301", "what is left is in order");
    await slow.return?.();
  });

  it("forgets a reader that goes away while it waits", async () => {
    const hub = new EventHub(() => {});
    const controller = new AbortController();
    const next = hub.subscribe(controller.signal).next();
    assert.equal(hub.listening, true);
    controller.abort();
    assert.equal((await next).done, true);
    assert.equal(hub.listening, false);
  });
});
