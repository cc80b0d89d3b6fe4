import { after, afterEach, before } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type Crid, type CridOptions, startCrid } from "./crid.ts";
import { startImageRegistry } from "./image_registry.ts";
import { isolate } from "./isolation.ts";

export interface SharedCridOptions extends Omit<CridOptions, "isolation" | "registry"> {
  /** Repository paths of the test images that its registry serves; by default busybox alone. */
  readonly images?: readonly string[];
}

/**
 * Said in a `describe`: its tests share one crid, in namespaces of its own with a registry beside it.
 * `ready` gets it before the first test. After each test the pods are removed, and nothing may be left.
 */
export function sharedCrid(
  ready: (crid: Crid) => unknown,
  { images = ["e2e-test-images/busybox"], ...options }: SharedCridOptions = {},
): void {
  const stack = new AsyncDisposableStack();
  let crid: Crid;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, images));
    crid = stack.use(await startCrid({ ...options, registry: registry.host, isolation }));
    await ready(crid);
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
  });
}
