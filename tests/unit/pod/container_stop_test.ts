import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { Container } from "../../../src/pod/container.ts";
import { stopContainer, type StopLoop } from "../../../src/pod/container_stop.ts";
import type { PodContext } from "../../../src/pod/context.ts";

const CONTEXT = { options: { stopTimeout: 0.05 } } as PodContext;

/** One that is being stopped already. */
function stopping(done: Promise<void>): Container {
  const stop = { done, shorten: () => {} } as unknown as StopLoop;
  const init = { pid: 1, startTime: "0" };
  return { id: "abc", exit: undefined, init, stop, settled: done } as unknown as Container;
}

describe("stopping a container", () => {
  it("is an error when it still runs long after it was killed", async () => {
    await assert.rejects(
      stopContainer(CONTEXT, stopping(new Promise(() => {})), 0),
      { code: "deadline_exceeded", message: /^stop container abc: it still runs 0.05 s after/ },
    );
  });

  it("is none when it ends in time, whatever the grace period is", async () => {
    await stopContainer(CONTEXT, stopping(Promise.resolve()), Number.MAX_SAFE_INTEGER);
  });

  it("is over when all that follows from its end is done, whoever has ended it", async () => {
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const ended = { exit: {}, settled } as unknown as Container;
    const order: string[] = [];
    const stopped = stopContainer(CONTEXT, ended, 0).then(() => order.push("stopped"));
    await new Promise((later) => setTimeout(later, 10));
    order.push("settled");
    resolve();
    await stopped;
    assert.deepEqual(order, ["settled", "stopped"]);
  });

  it("fails with what its loop fails with", async () => {
    await assert.rejects(
      stopContainer(CONTEXT, stopping(Promise.reject(new Error("no signal"))), 1),
      /no signal/,
    );
  });
});
