import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  type Crid,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";

/** What critest finds no fault with when it has no value: there may be no huge pages, no disk I/O. */
const MAY_BE_EMPTY = /hugetlb|pressure|blkio|fs_(reads|writes)|ulimits_soft|reservation|cpu_quota/;

const REQUIRED_METRICS = [
  ..."cfs_periods cfs_throttled_periods cfs_throttled_seconds system_seconds usage_seconds user_seconds"
    .split(" ").map((name) => `container_cpu_${name}_total`),
  ..."inodes_free inodes_total limit_bytes usage_bytes".split(" ")
    .map((name) => `container_fs_${name}`),
  ...("cache failcnt failures_total kernel_usage mapped_file max_usage_bytes rss swap usage_bytes " +
    "working_set_bytes").split(" ").map((name) => `container_memory_${name}`),
  ...["receive", "transmit"].flatMap((way) =>
    ["bytes", "errors", "packets_dropped", "packets"]
      .map((name) => `container_network_${way}_${name}_total`)
  ),
  ..."cpu_period cpu_shares memory_limit_bytes memory_swap_limit_bytes".split(" ")
    .map((name) => `container_spec_${name}`),
  ...("file_descriptors last_seen oom_events_total processes sockets start_time_seconds threads " +
    "threads_max").split(" ").map((name) => `container_${name}`),
];

describe("lists of a node with pods", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started, {
    settings: '[crio.stats]\nincluded_pod_metrics = ["all"]\n',
  });

  async function collect<Message>(stream: AsyncIterable<Message>): Promise<Message[]> {
    const messages: Message[] = [];
    for await (const message of stream) messages.push(message);
    return messages;
  }

  /** Two pods, of which one has two containers; the ids. */
  async function twoPods() {
    const [first, second] = [podConfig(crid, { labels: { app: "web" } }), podConfig(crid)];
    const ids = [await runPod(crid, first), await runPod(crid, second)] as const;
    const containers = [];
    for (const name of ["one", "two"]) {
      const config = containerConfig({ metadata: { name }, labels: { part: name } });
      containers.push(await runContainer(crid, ids[0], first, config));
    }
    return { pods: ids, containers };
  }

  const sorted = (ids: readonly string[]) => ids.toSorted();

  it("stream pods, containers and images as the plain calls list them", async () => {
    const { pods, containers } = await twoPods();
    const { runtime, image } = crid.client;
    const [podChunks, containerChunks, imageChunks] = await Promise.all([
      collect(runtime.streamPodSandboxes({})),
      collect(runtime.streamContainers({})),
      collect(image.streamImages({})),
    ]);
    const streamedPods = podChunks.flatMap((chunk) => chunk.podSandboxes);
    assert.deepEqual(sorted(streamedPods.map(({ id }) => id)), sorted(pods));
    assert.deepEqual(streamedPods, (await runtime.listPodSandbox({})).items);
    const streamedContainers = containerChunks.flatMap((chunk) => chunk.containers);
    assert.deepEqual(sorted(streamedContainers.map(({ id }) => id)), sorted(containers));
    assert.deepEqual(streamedContainers, (await runtime.listContainers({})).containers);
    const streamedImages = imageChunks.flatMap((chunk) => chunk.images);
    assert.equal(streamedImages.length, 1);
    assert.deepEqual(streamedImages, (await image.listImages({})).images);
  });

  it("stream only what the filter lets through", async () => {
    const { pods, containers } = await twoPods();
    const { runtime } = crid.client;
    const web = await collect(
      runtime.streamPodSandboxes({ filter: { labelSelector: { app: "web" } } }),
    );
    assert.deepEqual(web.flatMap((chunk) => chunk.podSandboxes.map(({ id }) => id)), [pods[0]]);
    const two = await collect(
      runtime.streamContainers({ filter: { labelSelector: { part: "two" } } }),
    );
    assert.deepEqual(two.flatMap((chunk) => chunk.containers.map(({ id }) => id)), [containers[1]]);
    const nobody = await collect(runtime.streamContainers({ filter: { id: "ffffffffff" } }));
    assert.deepEqual(nobody.flatMap((chunk) => chunk.containers), []);
  });

  it("stream the figures of pods and containers", async () => {
    const { pods, containers } = await twoPods();
    const { runtime } = crid.client;
    const perContainer = (await collect(runtime.streamContainerStats({})))
      .flatMap((chunk) => chunk.containerStats);
    const ids = perContainer.map(({ attributes }) => attributes!.id);
    assert.deepEqual(sorted(ids), sorted(containers));
    for (const { memory } of perContainer) assert.ok(memory!.usageBytes!.value > 0n);
    const perPod = (await collect(runtime.streamPodSandboxStats({})))
      .flatMap((chunk) => chunk.podSandboxStats);
    assert.deepEqual(sorted(perPod.map(({ attributes }) => attributes!.id)), sorted(pods));
    const full = perPod.find(({ attributes }) => attributes!.id === pods[0])!;
    assert.equal(full.linux!.containers.length, 2);
    assert.equal(full.linux!.network!.defaultInterface!.name, "eth0");
  });

  it("stream every metric that critest wants, each as its descriptor says", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const limit = 64n << 20n;
    const resources = {
      cpuPeriod: 100_000n,
      cpuQuota: 20_000n,
      cpuShares: 1024n,
      memoryLimitInBytes: limit,
      memorySwapLimitInBytes: limit,
    };
    const id = await runContainer(crid, pod, config, containerConfig({ linux: { resources } }));
    const { runtime } = crid.client;
    const { descriptors } = await runtime.listMetricDescriptors({});
    const keys = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
    const [metrics, ...others] = (await collect(runtime.streamPodSandboxMetrics({})))
      .flatMap((chunk) => chunk.podSandboxMetrics);
    assert.equal(metrics!.podSandboxId, pod);
    assert.deepEqual(others, []);
    assert.deepEqual(metrics!.containerMetrics.map(({ containerId }) => containerId), [id]);
    const all = [...metrics!.metrics, ...metrics!.containerMetrics[0]!.metrics];
    for (const { name, labelValues } of all) {
      assert.equal(labelValues.length, keys.get(name)?.length, name);
    }
    const filled = new Set(all.map(({ name }) => name));
    const empty = [...keys.keys()].filter((name) => !filled.has(name) && !MAY_BE_EMPTY.test(name));
    assert.deepEqual(empty, [], "announced but missing");
    assert.deepEqual(REQUIRED_METRICS.filter((name) => !filled.has(name)), []);
    const value = (name: string) => all.find((metric) => metric.name === name)!.value!.value;
    assert.equal(value("container_spec_memory_limit_bytes"), limit);
    assert.equal(value("container_spec_cpu_period"), 100_000n);
  });

  it("have no events while pod events are off: their stream ends at once", async () => {
    assert.deepEqual(await collect(crid.client.runtime.getContainerEvents({})), []);
  });

  it("says of an unknown pod that its resources cannot be updated, and accepts a known one", async () => {
    const { pods } = await twoPods();
    const { runtime } = crid.client;
    const resources = { cpuShares: 512n };
    await runtime.updatePodSandboxResources({ podSandboxId: pods[0], resources });
    await assert.rejects(
      runtime.updatePodSandboxResources({ podSandboxId: "f".repeat(64), resources }),
      /NOT_FOUND/,
    );
  });

  it("keep an image that a container uses, or has as a volume, and say which container", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const id = await runContainer(crid, pod, config, containerConfig());
    const { image } = crid.client;
    const inUse = new RegExp(`the image is in use by ${id}`);
    const [listed] = (await image.listImages({})).images;
    await assert.rejects(image.removeImage({ image: { image: listed!.id } }), inUse);
    await assert.rejects(image.removeImage({ image: { image: listed!.repoTags[0]! } }), inUse);
    await crid.client.runtime.removeContainer({ containerId: id });
    await image.removeImage({ image: { image: listed!.id } });
    assert.deepEqual((await image.listImages({})).images, []);
  });
});
