import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Code } from "@grpc/grpc-js";
import {
  containerConfig,
  createContainer,
  type Crid,
  execShell,
  exited,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";

/** Containers that live in one pod at the same time. */
const CONTAINERS = 6;
/** How many send the same request. */
const CLIENTS = 5;
const DEAF = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"];
/** What a call may say whose pod or container is stopped or removed by another one meanwhile. */
const OVERTAKEN = [Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.UNKNOWN, Code.ALREADY_EXISTS];

describe("calls at the same time", () => {
  let crid: Crid;
  sharedCrid(async (started) => {
    crid = started;
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  const named = (name: string, command?: readonly string[]) =>
    containerConfig({ metadata: { name }, ...(command && { command }) });
  const many = <T>(count: number, one: (number: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, number) => one(number)));

  it("for one pod and one container are one making of each", async () => {
    const config = podConfig(crid);
    const pods = new Set(await many(CLIENTS, () => runPod(crid, config)));
    assert.equal(pods.size, 1);
    const [pod] = [...pods];
    const main = containerConfig();
    const made = new Set(await many(CLIENTS, () => createContainer(crid, pod!, config, main)));
    assert.equal(made.size, 1);
    assert.equal((await crid.client.runtime.listContainers()).containers.length, 1);
    const [containerId] = [...made];
    await many(CLIENTS, () => crid.client.runtime.startContainer({ containerId }));
    assert.equal((await execShell(crid, containerId!, "echo up")).stdout, "up\n");
  });

  it("that stop one container shorten its time, and never lengthen it", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const containerId = await runContainer(crid, pod, config, named("deaf", DEAF));
    await execShell(crid, containerId, "until pgrep sleep; do :; done");
    const { runtime } = crid.client;
    const began = performance.now();
    const patient = runtime.stopContainer({ containerId, timeout: 600n });
    const hasty = runtime.stopContainer({ containerId, timeout: 1n });
    const late = runtime.stopContainer({ containerId, timeout: 900n });
    await Promise.all([patient, hasty, late]);
    assert.ok(performance.now() - began >= 1_000, "it has had the second that all agree on");
    assert.ok(performance.now() - began < 60_000, "nobody has waited for the most patient");
    assert.equal((await exited(crid, containerId)).exitCode, 137);
  });

  it("that start, stop and remove one container leave none", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const { runtime } = crid.client;
    await many(CONTAINERS, async (number) => {
      const containerId = await createContainer(crid, pod, config, named(`c${number}`));
      const starting = runtime.startContainer({ containerId });
      // Some come before the start, some in the middle of it, some after it.
      await new Promise((resolve) => setTimeout(resolve, number * 15));
      const outcomes = await Promise.allSettled([
        starting,
        runtime.stopContainer({ containerId, timeout: 0n }),
        runtime.removeContainer({ containerId }),
        runtime.removeContainer({ containerId }),
      ]);
      const [start, ...others] = outcomes;
      if (start!.status === "rejected") assertOvertaken(start!.reason);
      for (const other of others) assert.equal(other.status, "fulfilled");
    });
    assert.deepEqual((await runtime.listContainers()).containers, []);
  });

  it("that lead the lives of many containers of one pod do not meet", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const { runtime } = crid.client;
    await many(CONTAINERS, async (number) => {
      const script = `echo ${number}; exec sleep 1000`;
      const containerId = await runContainer(
        crid,
        pod,
        config,
        named(`c${number}`, ["sh", "-c", script]),
      );
      const [{ stdout }, { status }] = await Promise.all([
        execShell(crid, containerId, `echo ${number}`),
        runtime.containerStatus({ containerId, verbose: true }),
        runtime.containerStats({ containerId }),
        runtime.reopenContainerLog({ containerId }),
        runtime.updateContainerResources({
          containerId,
          linux: { cpuShares: 100n + BigInt(number) },
        }),
      ]);
      assert.equal(stdout, `${number}\n`);
      assert.equal(status?.metadata?.name, `c${number}`);
      const { status: updated } = await runtime.containerStatus({ containerId });
      assert.equal(updated?.resources?.linux?.cpuShares, 100n + BigInt(number));
      if (number % 2 === 0) await runtime.stopContainer({ containerId, timeout: 0n });
      await runtime.removeContainer({ containerId });
    });
    assert.deepEqual((await runtime.listContainers()).containers, []);
  });

  it("that remove a pod win over all that would make or use its containers", async () => {
    const config = podConfig(crid);
    const podSandboxId = await runPod(crid, config);
    const { runtime } = crid.client;
    const lives = many(CONTAINERS, async (number) => {
      try {
        const containerId = await runContainer(crid, podSandboxId, config, named(`c${number}`));
        for (;;) await execShell(crid, containerId, "true");
      } catch (error) {
        assertOvertaken(error);
      }
    });
    // While containers are being made, and with some that run already.
    await new Promise((resolve) => setTimeout(resolve, 150));
    await Promise.all([
      runtime.stopPodSandbox({ podSandboxId }),
      runtime.removePodSandbox({ podSandboxId }),
      runtime.removePodSandbox({ podSandboxId }),
    ]);
    await lives;
    assert.deepEqual((await runtime.listPodSandbox()).items, []);
    assert.deepEqual((await runtime.listContainers()).containers, []);
  });
});

function assertOvertaken(error: unknown): void {
  assert.ok(isServiceError(error), String(error));
  assert.ok(OVERTAKEN.includes(error.code), `${Code[error.code]}: ${error.details}`);
}
