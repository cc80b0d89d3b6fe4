import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  type Crid,
  inventory,
  isolate,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";

/** Small, for every run; tests/bench/scale_bench.ts does the same with a thousand. */
const PODS = 30;
const AT_ONCE = 3;

describe(`a node that has had ${PODS} pods`, () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    crid = stack.use(await startCrid({ registry: registry.host, isolation }));
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });
  after(() => stack.disposeAsync());

  async function live(): Promise<void> {
    const { runtime } = crid.client;
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const containerId = await runContainer(crid, pod, config, containerConfig());
    await runtime.execSync({ containerId, cmd: ["true"], timeout: 10n });
    await runtime.stopPodSandbox({ podSandboxId: pod });
    await runtime.removePodSandbox({ podSandboxId: pod });
  }

  it("holds what it held before: files, mounts, addresses, cgroups, descriptors", async () => {
    // The first ones open what stays open, and start threads.
    await Promise.all(Array.from({ length: AT_ONCE }, live));
    const earlier = await inventory(crid);
    let left = PODS;
    const worker = async () => {
      while (left-- > 0) await live();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const later = await inventory(crid);
    // The pool of threads breathes with the load, and the isolates that pulled the image end after a
    // while, with what they have open; what leaks leaks with every pod.
    for (const [what, before] of Object.entries(earlier)) {
      const most = what === "threads" ? before + PODS / 2 - 1 : before;
      assert.ok(later[what]! <= most, `${later[what]} ${what}, ${before} before`);
    }
    assert.deepEqual(await crid.leftovers(), []);
  });
});
