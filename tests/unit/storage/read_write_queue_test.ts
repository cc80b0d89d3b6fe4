import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { ReadWriteQueue } from "../../../src/storage/read_write_queue.ts";

describe("a read-write queue", () => {
  it("lets readers in together, a writer alone, and nobody overtake", async () => {
    const queue = new ReadWriteQueue();
    const order: string[] = [];
    const first = await queue.enter("read");
    const second = await queue.enter("read");
    const enter = (name: string, mode: "read" | "write") =>
      queue.enter(mode).then((turn) => {
        order.push(name);
        return turn;
      });
    const writer = enter("writer", "write");
    const late = enter("late reader", "read");
    const later = enter("later reader", "read");
    await Promise.resolve();
    assert.deepEqual(order, [], "the late readers wait behind the writer");
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    (await writer)[Symbol.dispose]();
    const turns = await Promise.all([late, later]);
    assert.deepEqual(order, ["writer", "late reader", "later reader"]);
    const last = enter("last", "write");
    for (const turn of turns) turn[Symbol.dispose]();
    (await last)[Symbol.dispose]();
  });
});
