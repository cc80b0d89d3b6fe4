import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { request } from "node:http";
import {
  containerConfig,
  type Crid,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { ContainerState } from "../../../src/gen/runtime/v1/api.ts";

/** Counts for as long as it runs. */
const COUNTER = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"];
/** Longest wait for the next count. */
const COUNT_MS = 10_000;

for (const runtime of ["runc", "crun"] as const) {
  describe(`a container of ${runtime} that is paused over the status API`, () => {
    let crid: Crid;
    sharedCrid((started) => crid = started, { runtime });

    function get(path: string): Promise<{ status: number; body: string }> {
      const { promise, resolve, reject } = Promise.withResolvers<
        { status: number; body: string }
      >();
      const call = request({ socketPath: crid.socket, path }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => body += text);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      });
      call.on("error", reject);
      call.end();
      return promise;
    }

    async function counter(): Promise<string> {
      const config = podConfig(crid);
      const pod = await runPod(crid, config);
      return await runContainer(crid, pod, config, containerConfig({ command: COUNTER }));
    }

    const pause = (milliseconds: number) =>
      new Promise((resolve) => setTimeout(resolve, milliseconds));

    it("stands still until it is unpaused, and is reported as running", async () => {
      const id = await counter();
      const { status } = await crid.client.runtime.containerStatus({ containerId: id });
      const counted = async () => (await Deno.stat(status!.logPath)).size;
      const goesOn = async () => {
        const before = await counted();
        const limit = performance.now() + COUNT_MS;
        while (await counted() === before) {
          assert.ok(performance.now() < limit, "it does not count on");
          await pause(20);
        }
      };
      await goesOn();
      assert.deepEqual(await get(`/pause/${id}`), { status: 200, body: "200 OK" });
      const paused = await crid.client.runtime.containerStatus({ containerId: id });
      assert.equal(paused.status!.state, ContainerState.CONTAINER_RUNNING);
      // Its monitor may have something left to write.
      await pause(100);
      const still = await counted();
      await pause(300);
      assert.equal(await counted(), still);
      const refused = await get(`/pause/${id}`);
      assert.equal(refused.status, 409);
      assert.match(refused.body, /not in running or created state, now is paused/);
      assert.equal((await get(`/unpause/${id}`)).status, 200);
      await goesOn();
      const again = await get(`/unpause/${id}`);
      assert.equal(again.status, 409);
      assert.match(again.body, /container is not in paused state, now is running/);
    });

    it("is stopped at once all the same", async () => {
      const id = await counter();
      await get(`/pause/${id}`);
      const began = performance.now();
      await crid.client.runtime.stopContainer({ containerId: id, timeout: 0n });
      assert.ok(performance.now() - began < 5_000);
    });

    it("is known to be paused after crid was killed", async () => {
      const id = await counter();
      await get(`/pause/${id}`);
      await crid.kill9();
      await crid.start();
      assert.equal((await get(`/unpause/${id}`)).status, 200);
    });

    it("cannot be paused when it is unknown", async () => {
      assert.equal((await get(`/pause/${"f".repeat(64)}`)).status, 404);
    });
  });
}
