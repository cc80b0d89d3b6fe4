import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Code } from "@grpc/grpc-js";
import {
  containerConfig,
  type Crid,
  execShell,
  exited,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../harness/mod.ts";
import { ContainerState } from "../../src/gen/runtime/v1/api.ts";

/** Monitors fail while their containers run, too; the table of steps has only their beginning. */
describe("a running container whose monitor", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started);

  async function start(): Promise<{ containerId: string; monitor: number }> {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const containerId = await runContainer(crid, pod, config, containerConfig());
    const verbose = await crid.client.runtime.containerStatus({ containerId, verbose: true });
    const { pid } = JSON.parse(verbose.info["info"]!);
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    return { containerId, monitor: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) };
  }

  it("is killed runs on, has an end that is noticed, and goes", async () => {
    const { containerId, monitor } = await start();
    const { runtime } = crid.client;
    Deno.kill(monitor, "SIGKILL");
    assert.equal((await execShell(crid, containerId, "echo here")).stdout, "here\n");
    await assert.rejects(
      runtime.reopenContainerLog({ containerId }),
      (error) => isServiceError(error) && error.code === Code.FAILED_PRECONDITION,
    );
    const { status } = await runtime.containerStatus({ containerId });
    assert.equal(status?.state, ContainerState.CONTAINER_RUNNING);
    assert.match(
      crid.log,
      /Conmon for container \w+ is stopped, although the container is running/,
    );
    await runtime.stopContainer({ containerId, timeout: 0n });
    // Nobody has seen how it ended.
    assert.equal((await exited(crid, containerId)).exitCode, 255);
    await runtime.removeContainer({ containerId });
  });

  it("hangs can be stopped and removed, also while its log is to be opened anew", async () => {
    const { containerId, monitor } = await start();
    const { runtime } = crid.client;
    Deno.kill(monitor, "SIGSTOP");
    const reopened = runtime.reopenContainerLog({ containerId })
      .then(() => "opened", (error) => isServiceError(error) ? error.code : error);
    await runtime.stopContainer({ containerId, timeout: 0n });
    assert.equal((await exited(crid, containerId)).exitCode, 255);
    await runtime.removeContainer({ containerId });
    assert.ok([Code.DEADLINE_EXCEEDED, Code.NOT_FOUND, Code.UNKNOWN].includes(await reopened));
  });
});
