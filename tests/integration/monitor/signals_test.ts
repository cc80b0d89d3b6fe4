import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { type Container, createContainer, MONITORS } from "./monitor.ts";

describe("signals to the monitor", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
  });

  after(() => stage[Symbol.asyncDispose]());

  const settle = () => new Promise((resolve) => setTimeout(resolve, 100));

  async function signal(container: Container, name: Deno.Signal): Promise<void> {
    Deno.kill(await container.monitorPid(), name);
    await settle();
  }

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        const make = (script: string) => createContainer({ stage, monitor, runtime, script });

        for (const name of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
          it(`${name} goes to the container`, async () => {
            const trap = name.slice(3);
            await using container = await make(
              `trap 'echo got; exit 7' ${trap}; echo ready; while :; do sleep 0.02; done`,
            );
            await container.start();
            await container.logged("ready");
            await signal(container, name);
            assert.equal(await container.end(), "7");
          });
        }

        it("SIGKILL leaves the container running, without an exit file", async () => {
          await using container = await make("sleep 1000");
          await container.start();
          await signal(container, "SIGKILL");
          await container.monitor.gone(); // the end of the pipe is the notice
          await assert.rejects(Deno.stat(`${stage.exits}/${container.id}`));
          Deno.kill(container.pid, "SIGKILL");
        });
      });
    }
  }

  describe("ours", () => {
    for (const name of ["SIGHUP", "SIGPIPE", "SIGUSR1"] as const) {
      it(`${name} changes nothing`, async () => {
        await using container = await createContainer({
          ...{ stage, monitor: "ours", runtime: "crun" } as const,
          script: "trap 'exit 8' TERM; echo ready; while :; do sleep 0.02; done",
        });
        await container.start();
        await container.logged("ready");
        await signal(container, name);
        await signal(container, "SIGTERM");
        assert.equal(await container.end(), "8");
      });
    }

    it("SIGTERM that the container ignores does not end the monitor", async () => {
      await using container = await createContainer({
        ...{ stage, monitor: "ours", runtime: "crun" } as const,
        script: "trap '' TERM; echo ready; while :; do sleep 0.02; done",
      });
      await container.start();
      await container.logged("ready");
      await signal(container, "SIGTERM");
      await signal(container, "SIGTERM");
      await container.kill();
      assert.equal(await container.end(), "137");
    });
  });
});
