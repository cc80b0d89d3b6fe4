import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  type Crid,
  exited,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import {
  type ContainerEventResponse,
  ContainerEventType,
} from "../../../src/gen/runtime/v1/api.ts";

const { CONTAINER_CREATED_EVENT, CONTAINER_STARTED_EVENT } = ContainerEventType;
const { CONTAINER_STOPPED_EVENT, CONTAINER_DELETED_EVENT } = ContainerEventType;

describe("events of pods and containers", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started, {
    settings: "[crio.runtime]\nenable_pod_events = true\n",
  });

  /** A client that listens; `events` grows as they come. */
  function listen() {
    const controller = new AbortController();
    const events: ContainerEventResponse[] = [];
    const ended = (async () => {
      const stream = crid.client.runtime.getContainerEvents({}, { signal: controller.signal });
      for await (const event of stream) events.push(event);
    })().catch((error) => {
      if (!controller.signal.aborted) throw error;
    });
    return {
      events,
      async [Symbol.asyncDispose]() {
        controller.abort();
        await ended;
      },
    };
  }

  async function until(condition: () => boolean): Promise<void> {
    const limit = Date.now() + 10_000;
    while (!condition()) {
      assert.ok(Date.now() < limit, "the event does not come");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it("reach every client in the order in which things happen", async () => {
    await using one = listen();
    await using two = listen();
    await crid.client.runtime.version();
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const id = await runContainer(
      crid,
      pod,
      config,
      containerConfig({ command: ["sh", "-c", "exit 3"] }),
    );
    await exited(crid, id);
    await crid.client.runtime.removeContainer({ containerId: id });
    await crid.client.runtime.stopPodSandbox({ podSandboxId: pod });
    await crid.client.runtime.removePodSandbox({ podSandboxId: pod });
    const expected = [
      [pod, CONTAINER_CREATED_EVENT],
      [pod, CONTAINER_STARTED_EVENT],
      [id, CONTAINER_CREATED_EVENT],
      [id, CONTAINER_STARTED_EVENT],
      [id, CONTAINER_STOPPED_EVENT],
      [id, CONTAINER_DELETED_EVENT],
      [pod, CONTAINER_STOPPED_EVENT],
      [pod, CONTAINER_DELETED_EVENT],
    ];
    for (const { events } of [one, two]) {
      await until(() => events.length >= expected.length);
      const seen = events.map((event) => [event.containerId, event.containerEventType]);
      assert.deepEqual(seen, expected);
      const stopped = events[4]!;
      assert.equal(stopped.podSandboxStatus!.id, pod);
      assert.equal(stopped.containersStatuses[0]!.exitCode, 3);
      const times = events.map(({ createdAt }) => createdAt);
      assert.deepEqual(times, times.toSorted((a, b) => Number(a - b)));
    }
  });

  it("bring the pod's state along, as its status with containers does", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const id = await runContainer(crid, pod, config, containerConfig());
    await using client = listen();
    await crid.client.runtime.version();
    await crid.client.runtime.stopContainer({ containerId: id, timeout: 0n });
    await until(() => client.events.length > 0);
    const [event] = client.events;
    const answer = await crid.client.runtime.podSandboxStatus({ podSandboxId: pod });
    assert.deepEqual(event!.podSandboxStatus, answer.status);
    assert.deepEqual(event!.containersStatuses, answer.containersStatuses);
    assert.ok(answer.timestamp >= event!.createdAt);
  });

  it("do not wait for a client that reads nothing", async () => {
    // Never read: the stream's buffers fill up, then the hub's queue of this client.
    const controller = new AbortController();
    const stuck = crid.client.runtime.getContainerEvents({}, { signal: controller.signal });
    await using client = listen();
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    for (let attempt = 0; attempt < 5; attempt++) {
      const metadata = { name: "quick", attempt };
      const id = await runContainer(crid, pod, config, containerConfig({ metadata }));
      await crid.client.runtime.removeContainer({ containerId: id });
    }
    await until(() => client.events.length === 2 + 5 * 4);
    controller.abort();
    await stuck[Symbol.asyncIterator]().next().catch(() => {});
  });
});
