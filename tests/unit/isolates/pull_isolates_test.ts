import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { mock } from "node:test";
import { serveRegistryPeer, serveUnpacker } from "../../../src/image/peers.ts";
import type { RegistryPeer, ResolvedImage } from "../../../src/image/types.ts";
import type { FromCri } from "../../../src/isolates/messages.ts";
import { SupervisedPullIsolates } from "../../../src/isolates/pull_isolates.ts";

const NEVER = new AbortController().signal;
const REQUEST = { reference: "h.io/app", auth: undefined, namespace: "" };

/** A supervisor whose isolates are in this one; each resolves to an image of its own number. */
class World {
  /** Isolates that talk to registries, and those that unpack. */
  readonly running = new Set<number>();
  readonly unpackers = new Set<number>();
  /** Isolates do not start for this reason. */
  broken: Error | undefined;
  /** Images are found when this is over. */
  search: Promise<void> = Promise.resolve();
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
    if (message.kind === "release") {
      this.running.delete(message.id);
      this.unpackers.delete(message.id);
    }
    if (message.kind !== "need") return;
    const { id, role } = message;
    if (this.broken !== undefined) return this.isolates.failed(id, this.broken);
    const { port1, port2 } = new MessageChannel();
    if (role === "unpack") {
      this.unpackers.add(id);
      void serveUnpacker(port1, () => Promise.reject(new Error("it cannot unpack")));
    } else {
      this.running.add(id);
      void serveRegistryPeer(port1, this.#registryPeer(id));
    }
    this.isolates.started(id, port2);
  }

  #registryPeer(id: number): RegistryPeer {
    return {
      resolve: () => this.search.then(() => ({ session: id }) as ResolvedImage),
      fetchBlob: () => Promise.resolve(),
      archiveImages: () => Promise.resolve([]),
      close: () => {},
    };
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

  it("is not stopped while an image is looked for, whoever else has finished", async () => {
    const world = new World();
    const one = await world.resolve();
    const registry = await world.isolates.registry();
    one.close();
    const found = Promise.withResolvers<void>();
    world.search = found.promise;
    const image = registry.resolve(REQUEST, NEVER);
    mock.timers.tick(20_000);
    await settled();
    assert.equal(world.running.size, 1);
    found.resolve();
    assert.equal((await image).session, one.isolate);
  });

  it("is asked for again after it could not be started", async () => {
    const world = new World();
    world.broken = new Error("no memory");
    await assert.rejects(world.isolates.registry(), /no memory/);
    world.isolates.gone(1);
    world.broken = undefined;
    assert.equal((await world.resolve()).isolate, 2);
  });
});

describe("isolates that unpack", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  it("start while the first image is looked for, and are stopped when nobody needs them", async () => {
    const world = new World();
    const image = await world.resolve();
    assert.equal(world.unpackers.size, 1);
    const [first, second] = [
      await world.isolates.unpacker(NEVER),
      await world.isolates.unpacker(NEVER),
    ];
    assert.equal(world.unpackers.size, 2, "the first takes the one that is there");
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    image.close();
    mock.timers.tick(20_000);
    await settled();
    assert.equal(world.unpackers.size, 0);
  });

  it("are started anew after one has died or could not be started", async () => {
    const world = new World();
    world.broken = new Error("no memory");
    for (let time = 0; time < 3; time++) {
      await assert.rejects(world.isolates.unpacker(NEVER), /no memory/);
    }
    world.broken = undefined;
    (await world.isolates.unpacker(NEVER))[Symbol.dispose]();
    const [idle] = world.unpackers;
    world.isolates.gone(idle!);
    using _one = await world.isolates.unpacker(NEVER);
    using _two = await world.isolates.unpacker(NEVER);
    assert.equal(world.unpackers.size, 3, "the dead one has left its place to another");
  });
});

/** What a timer has begun is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
