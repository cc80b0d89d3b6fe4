import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Status } from "@grpc/grpc-js";
import { CridError } from "../../../src/failure/mod.ts";
import { defaultConfig } from "../../../src/config/mod.ts";
import * as api from "../../../src/gen/runtime/v1/api.ts";
import { IMAGE } from "./fake_domain.ts";
import { CONTAINER, POD, served } from "./served.ts";

describe("RuntimeService on the socket", () => {
  it("says who it is", async () => {
    await using crid = await served();
    assert.deepEqual(await crid.client.runtime.version(), {
      version: "0.1.0",
      runtimeName: "cri-o",
      runtimeVersion: "1.37.0",
      runtimeApiVersion: "v1",
    });
    const { linux } = await crid.client.runtime.runtimeConfig();
    assert.equal(linux?.cgroupDriver, api.CgroupDriver.CGROUPFS);
  });

  it("reports conditions, features, and the default handler under the empty name too", async () => {
    await using crid = await served();
    const status = await crid.client.runtime.status({ verbose: false });
    assert.deepEqual(status.status?.conditions.map(({ type, status }) => [type, status]), [
      ["RuntimeReady", true],
      ["NetworkReady", false],
    ]);
    assert.deepEqual(status.runtimeHandlers.map(({ name }) => name), ["crun", "runc", ""]);
    assert.deepEqual(status.runtimeHandlers.at(-1)?.features, {
      recursiveReadOnlyMounts: true,
      userNamespaces: true,
    });
    assert.deepEqual(status.features, {
      supplementalGroupsPolicy: true,
      userNamespacesHostNetwork: true,
    });
    assert.deepEqual(status.info, {});
  });

  it("shows its configuration under CRI-O's names, and no environment", async () => {
    const config = defaultConfig();
    const runtime = { ...config.runtime, default_env: ["PASSWORD=hunter2"] };
    await using crid = await served({ config: () => ({ ...config, runtime }) });
    const { info } = await crid.client.runtime.status({ verbose: true });
    const shown = JSON.parse(info["config"]!);
    assert.equal(shown.sandboxImage, config.image.pause_image);
    assert.equal(shown.crio.DefaultRuntime, "crun");
    assert.equal(typeof shown.crio.Runtimes.crun.RuntimePath, "string");
    assert.equal(typeof shown.stateDir, "string");
    assert.doesNotMatch(info["config"]!, /hunter2/);
  });

  it("takes a pod with a container through its life", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const { podSandboxId } = await runtime.runPodSandbox({
      config: { ...POD, labels: { app: "web" } },
      runtimeHandler: "runc",
    });
    const { containerId } = await runtime.createContainer({
      podSandboxId,
      config: {
        ...CONTAINER,
        mounts: [{ containerPath: "/data", hostPath: "/srv", propagation: 1 }],
        linux: { resources: { memoryLimitInBytes: 1n << 30n } },
        stopSignal: api.Signal.SIGINT,
      },
      sandboxConfig: POD,
    });
    await runtime.startContainer({ containerId });

    const { status } = await runtime.podSandboxStatus({ podSandboxId: podSandboxId.slice(0, 13) });
    assert.equal(status?.state, api.PodSandboxState.SANDBOX_READY);
    assert.equal(status?.createdAt, 1_700_000_000_123_456_789n);
    assert.deepEqual(status?.network, { ip: "10.1.2.3", additionalIps: [{ ip: "fd00::3" }] });
    assert.deepEqual(status?.labels, { app: "web" });
    assert.equal(status?.runtimeHandler, "runc");

    const container = await runtime.containerStatus({ containerId, verbose: true });
    assert.equal(container.status?.state, api.ContainerState.CONTAINER_RUNNING);
    assert.match(container.status?.imageRef ?? "", /^docker\.io\/library\/busybox@sha256:(ef)+$/);
    assert.equal(container.status?.imageId, IMAGE.id);
    assert.equal(container.status?.image?.image, "docker.io/library/busybox:latest");
    assert.equal(container.status?.resources?.linux?.memoryLimitInBytes, 1n << 30n);
    assert.equal(container.status?.mounts[0]?.propagation, 1);
    assert.equal(container.status?.stopSignal, api.Signal.SIGINT);
    assert.deepEqual(container.status?.user?.linux, {
      uid: 1000n,
      gid: 1001n,
      supplementalGroups: [1001n, 2000n],
    });
    assert.equal(JSON.parse(container.info["info"]!).pid, 4711);

    const output = await runtime.execSync({ containerId, cmd: ["true"], timeout: 5n });
    assert.equal(new TextDecoder().decode(output.stdout), "out\n");

    await runtime.stopContainer({ containerId, timeout: 7n });
    const stopped = (await runtime.containerStatus({ containerId })).status;
    assert.equal(stopped?.exitCode, 137);
    assert.equal(stopped?.finishedAt, 1_700_000_003_000_000_000n);
    await runtime.removeContainer({ containerId });
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
    assert.deepEqual((await runtime.listPodSandbox()).items, []);
    assert.deepEqual(crid.pods.asked.map(({ call }) => call), [
      "runSandbox",
      "createContainer",
      "startContainer",
      "execSync",
      "stopContainer",
      "removeContainer",
      "stopSandbox",
      "removeSandbox",
    ]);
    assert.deepEqual(crid.pods.asked[4]?.args, [containerId, 7]);
  });

  it("filters lists by id, state, pod and labels", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const run = async (name: string) => {
      const config = { metadata: { ...POD.metadata, name }, labels: { name } };
      return (await runtime.runPodSandbox({ config })).podSandboxId;
    };
    const [a, b] = [await run("a"), await run("b")];
    await runtime.stopPodSandbox({ podSandboxId: b });
    const { containerId } = await runtime.createContainer({ podSandboxId: a, config: CONTAINER });
    const ids = async (filter: object) =>
      (await runtime.listPodSandbox({ filter })).items.map(({ id }) => id);
    assert.deepEqual(await ids({}), [a, b]);
    assert.deepEqual(await ids({ id: b.slice(0, 6) }), [b]);
    assert.deepEqual(await ids({ state: { state: 1 } }), [b]);
    assert.deepEqual(await ids({ labelSelector: { name: "a" } }), [a]);
    assert.deepEqual(await ids({ id: "ffff" }), []);
    const containers = async (filter: object) =>
      (await runtime.listContainers({ filter })).containers.map(({ id }) => id);
    assert.deepEqual(await containers({ podSandboxId: a }), [containerId]);
    assert.deepEqual(await containers({ podSandboxId: b }), []);
    assert.deepEqual(await containers({ state: { state: 0 } }), [containerId]);
    assert.deepEqual(await containers({ state: { state: 1 } }), []);
  });

  it("shows the name that people wrote when a container was made by image id", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const { podSandboxId } = await runtime.runPodSandbox({ config: POD });
    const image = { image: IMAGE.id, userSpecifiedImage: "busybox:1" };
    await runtime.createContainer({ podSandboxId, config: { ...CONTAINER, image } });
    const [container] = (await runtime.listContainers()).containers;
    assert.equal(container?.image?.image, "busybox:1");
    assert.equal(container?.imageId, IMAGE.id);
  });

  it("brings the containers along with a pod's status when pod events are on", async () => {
    const config = defaultConfig();
    const runtime = { ...config.runtime, enable_pod_events: true };
    await using crid = await served({ config: () => ({ ...config, runtime }) });
    const { podSandboxId } = await crid.client.runtime.runPodSandbox({ config: POD });
    await crid.client.runtime.createContainer({ podSandboxId, config: CONTAINER });
    const status = await crid.client.runtime.podSandboxStatus({ podSandboxId });
    assert.equal(status.containersStatuses.length, 1);
    assert.ok(status.timestamp > 1_700_000_000_000_000_000n);
  });

  it("reports what containers and pods use", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const { podSandboxId } = await runtime.runPodSandbox({ config: POD });
    const { containerId } = await runtime.createContainer({ podSandboxId, config: CONTAINER });
    const { stats } = await runtime.containerStats({ containerId });
    assert.equal(stats?.attributes?.id, containerId);
    assert.equal(stats?.cpu?.usageCoreNanoSeconds?.value, 5_000_000_000n);
    assert.equal(stats?.memory?.availableBytes?.value, 8000n);
    assert.equal(stats?.writableLayer?.fsId?.mountpoint, "/store/upper");
    assert.deepEqual(stats?.io?.psi?.Some, {
      Total: 3000n,
      Avg10: 0.5,
      Avg60: 0.25,
      Avg300: 0.125,
    });
    const [pod] = (await runtime.listPodSandboxStats()).stats;
    assert.equal(pod?.linux?.network?.defaultInterface?.name, "eth0");
    assert.deepEqual(pod?.linux?.network?.interfaces.map(({ name }) => name), ["net1"]);
    assert.equal(pod?.linux?.process?.processCount?.value, 3n);
    assert.equal(pod?.linux?.containers.length, 1);
  });

  it("serves the metrics of pods when there are any", async () => {
    const metric = {
      name: "container_x_total",
      timestamp: 5n,
      type: "gauge" as const,
      labelValues: ["a"],
      value: 7n,
    };
    const pod = { id: "p", metrics: [metric], containers: [{ id: "c", metrics: [metric] }] };
    const descriptors = [{ name: "container_x_total", help: "X.", labelKeys: ["id"] }];
    await using crid = await served({
      metrics: { descriptors: () => descriptors, metrics: () => Promise.resolve([pod]) },
    });
    const { runtime } = crid.client;
    assert.deepEqual((await runtime.listMetricDescriptors()).descriptors, descriptors);
    const expected = { ...metric, metricType: api.MetricType.GAUGE, value: { value: 7n } };
    const { type: _, ...wire } = expected;
    const { podMetrics } = await runtime.listPodSandboxMetrics();
    assert.deepEqual(podMetrics, [{
      podSandboxId: "p",
      metrics: [wire],
      containerMetrics: [{ containerId: "c", metrics: [wire] }],
    }]);
    const [chunk] = await Array.fromAsync(runtime.streamPodSandboxMetrics());
    assert.deepEqual(chunk?.podSandboxMetrics, podMetrics);
  });

  it("answers what it cannot do with UNIMPLEMENTED and the RPC's name", async () => {
    await using crid = await served();
    const { runtime } = crid.client;
    const calls = {
      Exec: () => runtime.exec({ containerId: "c", cmd: ["sh"], stdout: true }),
      Attach: () => runtime.attach({ containerId: "c", stdout: true }),
      PortForward: () => runtime.portForward({ podSandboxId: "p", port: [80] }),
      CheckpointContainer: () => runtime.checkpointContainer({ containerId: "c" }),
      ListMetricDescriptors: () => runtime.listMetricDescriptors(),
      ListPodSandboxMetrics: () => runtime.listPodSandboxMetrics(),
      StreamPodSandboxMetrics: () => Array.fromAsync(runtime.streamPodSandboxMetrics()),
    };
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(call(), {
        code: Status.UNIMPLEMENTED,
        details: new RegExp(`^${name} is not implemented: .+`),
      });
    }
  });

  it("hands streams over to a streaming server when there is one", async () => {
    const asked: unknown[] = [];
    const url = (...args: unknown[]) => {
      asked.push(args.slice(0, -1));
      return Promise.resolve("http://127.0.0.1:1/t");
    };
    await using crid = await served({ streams: { exec: url, attach: url, portForward: url } });
    const { runtime } = crid.client;
    const answer = await runtime.exec({ containerId: "c", cmd: ["sh"], tty: true, stdin: true });
    assert.equal(answer.url, "http://127.0.0.1:1/t");
    await runtime.portForward({ podSandboxId: "p", port: [80] });
    assert.deepEqual(asked, [
      [{
        containerId: "c",
        command: ["sh"],
        tty: true,
        stdin: true,
        stdout: false,
        stderr: false,
      }],
      ["p", [80]],
    ]);
    const invalid = { code: Status.INVALID_ARGUMENT };
    await assert.rejects(runtime.exec({ containerId: "c", cmd: ["sh"] }), invalid);
    await assert.rejects(runtime.exec({ containerId: "c", stdin: true }), invalid);
    await assert.rejects(runtime.attach({ tty: true, stderr: true }), invalid);
    await assert.rejects(runtime.portForward({ port: [0] }), invalid);
  });
});

describe("ImageService on the socket", () => {
  it("finds, lists and describes images", async () => {
    await using crid = await served();
    const { image } = crid.client;
    const [listed] = (await image.listImages()).images;
    assert.equal(listed?.id, IMAGE.id);
    assert.equal(listed?.size, 4_300_000n);
    assert.deepEqual(listed?.uid, { value: 1002n });
    assert.equal(listed?.spec, undefined);
    const status = await image.imageStatus({ image: { image: "busybox" }, verbose: true });
    assert.deepEqual(status.image?.spec?.annotations, { "org.example": "yes" });
    assert.deepEqual(JSON.parse(status.info["info"]!), {
      labels: { maintainer: "me" },
      imageSpec: { config: { Cmd: ["sh"] }, os: "linux" },
    });
    const filtered = await image.listImages({ filter: { image: { image: "nginx" } } });
    assert.deepEqual(filtered.images, []);
  });

  it("answers for an absent image with nothing, and refuses no name at all", async () => {
    await using crid = await served();
    const { image } = crid.client;
    const absent = await image.imageStatus({ image: { image: "nginx" }, verbose: true });
    assert.deepEqual(absent, { image: undefined, info: {} });
    const invalid = { code: Status.INVALID_ARGUMENT, details: "no image specified" };
    await assert.rejects(image.imageStatus({}), invalid);
    await assert.rejects(image.pullImage({ image: { image: "" } }), invalid);
    await assert.rejects(image.removeImage({}), invalid);
  });

  it("pulls with credentials and the pod's namespace", async () => {
    await using crid = await served();
    const { imageRef } = await crid.client.image.pullImage({
      image: { image: "busybox" },
      auth: { username: "u", password: "p" },
      sandboxConfig: POD,
    });
    assert.equal(imageRef, IMAGE.id);
    const [pull] = crid.images.pulls;
    assert.equal(pull?.reference, "busybox");
    assert.equal(pull?.auth?.password, "p");
    assert.equal(pull?.namespace, "ns");
    await crid.client.image.pullImage({ image: { image: "busybox" }, auth: {} });
    assert.equal(crid.images.pulls[1]?.auth, undefined);
  });

  it("reports what its file systems hold", async () => {
    await using crid = await served();
    const { imageFilesystems, containerFilesystems } = await crid.client.image.imageFsInfo();
    assert.equal(imageFilesystems[0]?.usedBytes?.value, 123n);
    assert.equal(imageFilesystems[0]?.fsId?.mountpoint, "/store/overlay-images");
    assert.equal(containerFilesystems[0]?.inodesUsed?.value, 7n);
  });
});

describe("a failing RPC", () => {
  it("has the code and the text of the domain's error", async () => {
    await using crid = await served();
    await assert.rejects(crid.client.runtime.containerStatus({ containerId: "nope" }), {
      code: Status.NOT_FOUND,
      details: "container nope not found",
    });
    crid.pods.failure = new CridError("resource_exhausted", "no space left; free some");
    await assert.rejects(crid.client.runtime.startContainer({ containerId: "x" }), {
      code: Status.RESOURCE_EXHAUSTED,
      details: "no space left; free some",
    });
  });

  it("is INTERNAL without a stack when something broke, and the server goes on", async () => {
    await using crid = await served();
    crid.pods.failure = new TypeError("undefined is not a function\ud800");
    await assert.rejects(
      crid.client.runtime.stopPodSandbox({ podSandboxId: "x" }),
      (error: { code: number; details: string }) => {
        assert.equal(error.code, Status.INTERNAL);
        assert.doesNotMatch(error.details, /\bat \/|\.ts:/);
        return true;
      },
    );
    assert.equal((await crid.client.runtime.version()).runtimeName, "cri-o");
  });

  it("is told to the observer, as is one that worked", async () => {
    const seen: unknown[] = [];
    await using crid = await served({
      observe: (operation, milliseconds, failure) => {
        assert.ok(milliseconds >= 0);
        seen.push([operation, failure]);
      },
    });
    await crid.client.runtime.version();
    await assert.rejects(crid.client.runtime.containerStatus({ containerId: "x" }));
    assert.deepEqual(seen, [["Version", undefined], ["ContainerStatus", "not_found"]]);
  });
});
