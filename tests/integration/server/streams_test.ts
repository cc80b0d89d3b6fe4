import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { credentials, status as Status } from "@grpc/grpc-js";
import { defaultConfig } from "../../../src/config/mod.ts";
import { ContainerEventType, RuntimeServiceClient } from "../../../src/gen/runtime/v1/api.ts";
import { IMAGE } from "./fake_domain.ts";
import { CONTAINER, POD, type Served, served } from "./served.ts";

function withEvents(): Promise<Served> {
  const config = defaultConfig();
  const runtime = { ...config.runtime, enable_pod_events: true };
  return served({ config: () => ({ ...config, runtime }) });
}

function eventStream(crid: Served) {
  const client = new RuntimeServiceClient(
    `unix:${crid.socketPath}`,
    credentials.createInsecure(),
    { "grpc.use_local_subchannel_pool": 1 },
  );
  const call = client.getContainerEvents({});
  call.on("error", () => {});
  return { call, [Symbol.dispose]: () => client.close() };
}

/** The n-th event of a container that counts them in its id. */
function event(number: number) {
  return {
    containerId: String(number),
    type: "started" as const,
    createdAt: BigInt(number),
    sandbox: undefined,
    containers: [],
  };
}

describe("a streamed list", () => {
  it("comes in chunks of 3000", async () => {
    await using crid = await served();
    crid.images.images.length = 0;
    crid.images.images.push(...Array.from({ length: 7000 }, (_, index) => ({
      ...IMAGE,
      id: String(index),
    })));
    const chunks = await Array.fromAsync(crid.client.image.streamImages());
    assert.deepEqual(chunks.map(({ images }) => images.length), [3000, 3000, 1000]);
    assert.equal(chunks.at(-1)?.images.at(-1)?.id, "6999");
  });

  it("has the same items as the list itself", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const { podSandboxId } = await runtime.runPodSandbox({ config: POD });
    await runtime.createContainer({ podSandboxId, config: CONTAINER });
    const [pods] = await Array.fromAsync(runtime.streamPodSandboxes());
    assert.deepEqual(pods?.podSandboxes, (await runtime.listPodSandbox()).items);
    const [containers] = await Array.fromAsync(runtime.streamContainers());
    assert.deepEqual(containers?.containers, (await runtime.listContainers()).containers);
    const [stats] = await Array.fromAsync(runtime.streamContainerStats());
    assert.deepEqual(stats?.containerStats, (await runtime.listContainerStats()).stats);
    const [podStats] = await Array.fromAsync(runtime.streamPodSandboxStats());
    assert.equal(podStats?.podSandboxStats[0]?.attributes?.id, podSandboxId);
  });

  it("is empty, and ends well, when there is nothing", async () => {
    await using crid = await served();
    assert.deepEqual(await Array.fromAsync(crid.client.runtime.streamContainers()), []);
  });
});

describe("GetContainerEvents", () => {
  it("ends at once, without an error, when pod events are off", async () => {
    await using crid = await served();
    using events = eventStream(crid);
    assert.deepEqual(await Array.fromAsync(events.call), []);
  });

  it("sends events in the order of their making", async () => {
    await using crid = await withEvents();
    using events = eventStream(crid);
    for (let number = 0; number < 500; number++) crid.pods.emit(event(number));
    const received: string[] = [];
    for await (const message of events.call) {
      assert.equal(message.containerEventType, ContainerEventType.CONTAINER_STARTED_EVENT);
      received.push(message.containerId);
      if (received.length === 500) break;
    }
    assert.deepEqual(received, Array.from({ length: 500 }, (_, number) => String(number)));
  });

  it("lets go of the events when the client goes away", async () => {
    await using crid = await withEvents();
    using events = eventStream(crid);
    crid.pods.emit(event(1));
    await new Promise((resolve) => events.call.once("data", resolve));
    events.call.cancel();
    const ended = () => crid.pods.asked.find(({ call }) => call === "events ended");
    while (ended() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((ended()?.args[0] as { code: string }).code, "cancelled");
  });

  it("ends with UNAVAILABLE when the server shuts down", async () => {
    await using crid = await withEvents();
    using events = eventStream(crid);
    crid.pods.emit(event(1));
    await new Promise((resolve) => events.call.once("data", resolve));
    const ended = new Promise<{ code: number }>((resolve) => events.call.once("status", resolve));
    await crid.server.close();
    assert.equal((await ended).code, Status.UNAVAILABLE);
  });
});
