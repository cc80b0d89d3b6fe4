import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { mock } from "node:test";
import { serveRegistryPeer } from "../../../src/image/peers.ts";
import type { RegistryPeer, ResolvedImage } from "../../../src/image/types.ts";
import type { FromCri } from "../../../src/isolates/messages.ts";
import { SupervisedPullIsolates } from "../../../src/isolates/pull_isolates.ts";

const NEVER = new AbortController().signal;
const REQUEST = { reference: "h.io/app", auth: undefined, namespace: "" };

/** A supervisor whose isolates are in this one; each resolves to an image of its own number. */
class World {
  readonly running = new Set<number>();
  readonly isolates = new SupervisedPullIsolates((message) => this.#fromCri(message), 2);
  reads = "a";

  constructor() {
    this.isolates.renewOn(() => this.reads);
  }

  async resolve(): Promise<{ readonly isolate: number; close(): void }> {
    const registry = await this.isolates.registry();
    const { session } = await registry.resolve(REQUEST, NEVER);
    return { isolate: session, close: () => registry.close(session) };
  }

  #fromCri(message: FromCri): void {
    if (message.kind === "release") this.running.delete(message.id);
    if (message.kind !== "need") return;
    const { id } = message;
    this.running.add(id);
    const { port1, port2 } = new MessageChannel();
    const peer: RegistryPeer = {
      resolve: () => Promise.resolve({ session: id } as ResolvedImage),
      fetchBlob: () => Promise.resolve(),
      archiveImages: () => Promise.resolve([]),
      close: () => {},
    };
    void serveRegistryPeer(port1, peer);
    this.isolates.started(id, port2);
  }
}

describe("the isolate that talks to registries", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  it("is one for many images, and stopped when nobody has asked it for ten seconds", async () => {
    const world = new World();
    const [one, two] = [await world.resolve(), await world.resolve()];
    assert.equal(one.isolate, two.isolate);
    one.close();
    mock.timers.tick(20_000);
    await settled();
    assert.equal(world.running.size, 1, "it is busy with the other image");
    two.close();
    mock.timers.tick(9_000);
    await settled();
    assert.equal(world.running.size, 1);
    mock.timers.tick(2_000);
    await settled();
    assert.equal(world.running.size, 0);
    assert.notEqual((await world.resolve()).isolate, one.isolate);
  });

  it("is replaced when what it may read has changed, and ends after its last image", async () => {
    const world = new World();
    const one = await world.resolve();
    world.reads = "a and a new key";
    const two = await world.resolve();
    assert.notEqual(two.isolate, one.isolate);
    mock.timers.tick(20_000);
    await settled();
    assert.deepEqual(world.running, new Set([one.isolate, two.isolate]));
    one.close();
    mock.timers.tick(20_000);
    await settled();
    assert.deepEqual(world.running, new Set([two.isolate]));
    assert.equal((await world.resolve()).isolate, two.isolate);
  });
});

/** What a timer has begun is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
