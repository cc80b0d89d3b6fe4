/**
 * Many cases on few nodes at the same time: most of a case is waiting for other programs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Crid, isolate, startCrid, startImageRegistry } from "../harness/mod.ts";
import { BUSYBOX } from "../images/mod.ts";
import { type FaultyPrograms, faultyPrograms } from "./faulty_programs.ts";

/** A node whose programs do as they are told. */
export interface Lane {
  readonly crid: Crid;
  readonly programs: FaultyPrograms;
}

/** As many as the smallest machines have cores. */
const LANES = 2;

/** Runs cases on nodes with one runtime; each waits for its own, in the order of their making. */
export class Lanes implements AsyncDisposable {
  readonly #runtime: "runc" | "crun";
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #lanes: Lane[] = [];

  constructor(runtime: "runc" | "crun") {
    this.#runtime = runtime;
  }

  /** Starts the nodes and sets out. */
  async start(): Promise<void> {
    const lanes = Array.from({ length: LANES }, async () => this.#lanes.push(await this.#lane()));
    await Promise.all(lanes);
    for (const _ of this.#lanes) void this.#work();
  }

  /** Puts a case in the queue; what is returned waits for its end, and throws what it threw. */
  add(test: (lane: Lane) => Promise<void>): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<{ error?: unknown; failed: boolean }>();
    this.#waiting.push(async () => {
      const lane = this.#lanes.pop()!;
      try {
        await test(lane);
        await tidy(lane);
        resolve({ failed: false });
      } catch (error) {
        await tidy(lane).catch(() => {});
        resolve({ failed: true, error });
      } finally {
        this.#lanes.push(lane);
      }
    });
    return async () => {
      const { failed, error } = await promise;
      if (failed) throw error;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      await next();
    }
  }

  async #lane(): Promise<Lane> {
    await using stack = new AsyncDisposableStack();
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    const programs = stack.use(await faultyPrograms(this.#runtime));
    const { settings } = programs;
    const crid = stack.use(await startCrid({ registry: registry.host, isolation, settings }));
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
    this.#stack.use(stack.move());
    return { crid, programs };
  }
}

/** What follows each case: nothing of it is left. */
async function tidy({ crid, programs }: Lane): Promise<void> {
  await programs.clear();
  await crid.removePods();
  assert.deepEqual(await crid.leftovers(), []);
}
