import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  createContainer,
  type Crid,
  isolate,
  podConfig,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";

/** Ends well when it is asked to. */
const OBEDIENT = ["sh", "-c", "trap 'exit 7' TERM; sleep 100000 & wait"];
const ROUNDS = 12;

for (const runtime of ["runc", "crun"] as const) {
  describe(`a container of ${runtime} that is stopped as soon as it has been started`, () => {
    const stack = new AsyncDisposableStack();
    let crid: Crid;

    before(async () => {
      const isolation = stack.use(await isolate());
      const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
      crid = stack.use(await startCrid({ registry: registry.host, isolation, runtime }));
    });
    after(() => stack.disposeAsync());

    it("gets its stop signal, though its program has just become what it is", async () => {
      const pod = podConfig(crid);
      const podId = await runPod(crid, pod);
      const calls = crid.client.runtime;
      const codes: (number | undefined)[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const config = containerConfig({ command: OBEDIENT, metadata: { name: `round-${round}` } });
        const containerId = await createContainer(crid, podId, pod, config);
        await calls.startContainer({ containerId });
        await new Promise((resolve) => setTimeout(resolve, round % 4));
        await calls.stopContainer({ containerId, timeout: 10n });
        codes.push((await calls.containerStatus({ containerId })).status?.exitCode);
        await calls.removeContainer({ containerId });
      }
      assert.deepEqual(codes, Array.from({ length: ROUNDS }, () => 7));
      await crid.removePods();
      assert.deepEqual(await crid.leftovers(), []);
    });
  });
}
