/**
 * What critest asks nothing about and no other file here has: see the kubelet's view of each.
 *
 * @module
 */
import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "@std/path";
import { NamespaceMode, Signal } from "../../../src/gen/runtime/v1/api.ts";
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

/** Below what any handler but crun wants. */
const LITTLE_MEMORY = 1 << 20;
const IDS = { hostId: 200_000, containerId: 0, length: 65_536 };

describe("a node asked for what critest does not ask", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started, {
    images: ["e2e-test-images/busybox", "crid/configured"],
  });

  it("takes a runtime configuration and goes on", async () => {
    const { runtime } = crid.client;
    const networkConfig = { podCidr: "10.1.2.0/24" };
    assert.deepEqual(
      await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig } }),
      {},
    );
  });

  it("tells what one pod uses, and what those that are asked for use", async () => {
    const { runtime } = crid.client;
    const config = podConfig(crid, { labels: { app: "web" } });
    const [pod, other] = [await runPod(crid, config), await runPod(crid, podConfig(crid))];
    const container = await runContainer(crid, pod, config, containerConfig());
    const { stats } = await runtime.podSandboxStats({ podSandboxId: pod.slice(0, 13) });
    assert.equal(stats!.attributes!.id, pod);
    assert.equal(stats!.attributes!.metadata!.name, config.metadata!.name);
    assert.deepEqual(stats!.linux!.containers.map(({ attributes }) => attributes!.id), [container]);
    assert.ok(stats!.linux!.cpu!.usageCoreNanoSeconds!.value > 0n);
    assert.ok(stats!.linux!.memory!.workingSetBytes!.value > 0n);
    assert.ok(stats!.linux!.process!.processCount!.value >= 1n);
    assert.equal(stats!.linux!.network!.defaultInterface!.name, "eth0");
    const listed = async (filter: object) =>
      (await runtime.listPodSandboxStats({ filter })).stats.map(({ attributes }) => attributes!.id);
    assert.deepEqual(await listed({ labelSelector: { app: "web" } }), [pod]);
    assert.deepEqual(await listed({ id: other }), [other]);
    assert.deepEqual((await listed({})).toSorted(), [pod, other].toSorted());
    await assert.rejects(
      runtime.podSandboxStats({ podSandboxId: "f".repeat(64) }),
      (error) => isServiceError(error) && error.code === 5,
    );
  });

  it("takes the beginning of an id for the id, in every call", async () => {
    const { runtime } = crid.client;
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const podSandboxId = pod.slice(0, 13);
    const container = await createContainer(crid, podSandboxId, config, containerConfig());
    const containerId = container.slice(0, 13);
    await runtime.startContainer({ containerId });
    assert.equal((await execShell(crid, containerId, "echo here")).stdout, "here\n");
    await runtime.reopenContainerLog({ containerId });
    await runtime.updateContainerResources({ containerId, linux: { cpuShares: 512n } });
    await runtime.updatePodSandboxResources({ podSandboxId, resources: { cpuShares: 512n } });
    await runtime.exec({ containerId, cmd: ["true"], stdout: true });
    await runtime.attach({ containerId, stdout: true });
    await runtime.portForward({ podSandboxId, port: [80] });
    const answers = [
      (await runtime.containerStatus({ containerId })).status?.id,
      (await runtime.containerStats({ containerId })).stats?.attributes?.id,
      (await runtime.listContainers({ filter: { id: containerId } })).containers[0]?.id,
      (await runtime.listContainers({ filter: { podSandboxId } })).containers[0]?.id,
      (await runtime.listContainerStats({ filter: { id: containerId, podSandboxId } }))
        .stats[0]?.attributes?.id,
    ];
    assert.deepEqual(answers, answers.map(() => container));
    const pods = [
      (await runtime.podSandboxStatus({ podSandboxId })).status?.id,
      (await runtime.podSandboxStats({ podSandboxId })).stats?.attributes?.id,
      (await runtime.listPodSandbox({ filter: { id: podSandboxId } })).items[0]?.id,
      (await runtime.listPodSandboxStats({ filter: { id: podSandboxId } })).stats[0]?.attributes
        ?.id,
    ];
    assert.deepEqual(pods, pods.map(() => pod));
    await runtime.stopContainer({ containerId, timeout: 0n });
    await runtime.removeContainer({ containerId });
    assert.deepEqual((await runtime.listContainers()).containers, []);
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
    assert.deepEqual((await runtime.listPodSandbox()).items, []);
  });

  it("has the containers of a pod share what is the pod's, and nothing with other pods", async () => {
    const inPod = async (config: ReturnType<typeof podConfig>) => {
      const pod = await runPod(crid, config);
      return await Promise.all(["one", "two"].map(async (name) => {
        const asked = containerConfig({ metadata: { name } });
        const id = await runContainer(crid, pod, config, asked);
        const script = "for kind in ipc net uts pid mnt; do readlink /proc/self/ns/$kind; done";
        const { stdout } = await execShell(crid, id, script);
        return { id, namespaces: stdout.trim().split("\n") };
      }));
    };
    const [one, two] = await inPod(podConfig(crid));
    const [other] = await inPod(podConfig(crid));
    assert.deepEqual(one!.namespaces.slice(0, 3), two!.namespaces.slice(0, 3));
    const apart = (left: readonly string[], right: readonly string[]) =>
      left.forEach((namespace, index) => assert.notEqual(namespace, right[index]));
    apart(one!.namespaces.slice(3), two!.namespaces.slice(3));
    apart(one!.namespaces, other!.namespaces);
    await execShell(crid, one!.id, "echo said > /dev/shm/word");
    assert.equal((await execShell(crid, two!.id, "cat /dev/shm/word")).stdout, "said\n");
    assert.notEqual((await execShell(crid, other!.id, "cat /dev/shm/word")).exitCode, 0);
  });

  it("tells what its images take, where, and more after a pull", async () => {
    const { image } = crid.client;
    for (const { id } of (await image.listImages({})).images) {
      await image.removeImage({ image: { image: id } });
    }
    const info = async () => {
      const { imageFilesystems, containerFilesystems } = await image.imageFsInfo({});
      assert.equal(imageFilesystems.length, 1);
      // To the kubelet another name would be another file system.
      assert.deepEqual(containerFilesystems, imageFilesystems);
      return imageFilesystems[0]!;
    };
    const empty = await info();
    assert.ok(empty.fsId!.mountpoint.startsWith(crid.node.storageRoot), empty.fsId!.mountpoint);
    assert.ok(existsSync(empty.fsId!.mountpoint));
    await image.pullImage({ image: containerConfig().image });
    const full = await info();
    assert.ok(full.timestamp > empty.timestamp);
    assert.ok(full.usedBytes!.value > empty.usedBytes!.value);
    assert.ok(full.inodesUsed!.value > empty.inodesUsed!.value);
  });

  it("stops a container with the signal that its config names", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const script = "trap 'exit 42' USR1; trap 'exit 1' TERM; while :; do sleep 0.05; done";
    const command = ["sh", "-c", script];
    const asked = containerConfig({ command, stopSignal: Signal.SIGUSR1 });
    const containerId = await runContainer(crid, pod, config, asked);
    const { runtime } = crid.client;
    // The trap is set when the shell has a child.
    await execShell(crid, containerId, "until pgrep sleep; do :; done");
    const { status } = await runtime.containerStatus({ containerId });
    assert.equal(status!.stopSignal, Signal.SIGUSR1);
    await runtime.stopContainer({ containerId, timeout: 30n });
    assert.equal((await exited(crid, containerId)).exitCode, 42);
  });

  it("runs a container as its image says, up to the signal that stops it", async () => {
    const image = { image: "registry.k8s.io/crid/configured:latest" };
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const script = "id -un; echo $COLOUR; pwd; cat /data/from-image; " +
      "trap 'exit 42' INT; trap 'exit 1' TERM; while :; do sleep 0.05; done";
    const asked = containerConfig({ image, command: [], args: [script] });
    const containerId = await runContainer(crid, pod, config, asked);
    const { runtime } = crid.client;
    await execShell(crid, containerId, "until pgrep sleep; do :; done");
    const { status } = await runtime.containerStatus({ containerId });
    assert.equal(status!.stopSignal, Signal.SIGINT);
    const log = await Deno.readTextFile(status!.logPath);
    const said = log.trim().split("\n").map((line) => line.split(" ").at(-1));
    assert.deepEqual(said, ["www-data", "blue", "/work", "image"]);
    await runtime.stopContainer({ containerId, timeout: 30n });
    assert.equal((await exited(crid, containerId)).exitCode, 42);
  });

  it("gives a container the devices that its config names, with their permissions", async () => {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const devices = [
      { containerPath: "/dev/nothing", hostPath: "/dev/null", permissions: "rw" },
      { containerPath: "/dev/nought", hostPath: "/dev/zero", permissions: "r" },
    ];
    const asked = containerConfig({ devices });
    const container = await runContainer(crid, pod, config, asked);
    const script = "echo lost > /dev/nothing && head -c 3 /dev/nought | wc -c; ls -l /dev/nothing";
    const { stdout } = await execShell(crid, container, script);
    assert.match(stdout, /^3\nc.*1, +3 .*\/dev\/nothing\n$/);
  });

  it("mounts volumes into user namespaces as their ids outside say, and refuses id maps of mounts", async () => {
    const userns = { mode: NamespaceMode.POD, uids: [IDS], gids: [IDS] };
    const namespaceOptions = { pid: NamespaceMode.CONTAINER, usernsOptions: userns };
    const linux = { securityContext: { namespaceOptions } };
    const config = podConfig(crid, { linux });
    const pod = await runPod(crid, config);
    const [own, foreign] = ["own", "foreign"].map((name) => join(crid.node.directory, name));
    for (const path of [own!, foreign!]) await Deno.mkdir(path);
    await Deno.chown(own!, IDS.hostId, IDS.hostId);
    const mounts = [
      { containerPath: "/own", hostPath: own! },
      { containerPath: "/foreign", hostPath: foreign! },
    ];
    const container = await runContainer(crid, pod, config, containerConfig({ mounts, linux }));
    const script = "echo mine > /own/file && stat -c %u /own /own/file /foreign; echo > /foreign/x";
    const { stdout, exitCode } = await execShell(crid, container, script);
    assert.equal(stdout, "0\n0\n65534\n");
    assert.notEqual(exitCode, 0);
    assert.equal((await Deno.stat(join(own!, "file"))).uid, IDS.hostId);
    const mapped = [{ ...mounts[0]!, uidMappings: [IDS], gidMappings: [IDS] }];
    const { runtimeHandlers } = await crid.client.runtime.status({});
    // Which runtime the test has decides; both answers are right.
    const canMap = runtimeHandlers.some(({ name, features }) =>
      name === "" && features?.userNamespaces === true
    );
    assert.ok(canMap);
    const asked = containerConfig({ metadata: { name: "mapped" }, mounts: mapped, linux });
    const outcome = await runContainer(crid, pod, config, asked).catch((error) => error);
    if (typeof outcome !== "string") {
      assert.match(String(outcome), /idmap mounts specified but OCI runtime does not support them/);
    }
  });

  it("refuses a pod whose cgroup has too little memory for any container", async () => {
    const parent = `${crid.node.cgroupParent}/small`;
    const hierarchy = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].find(existsSync)!;
    const directory = join(hierarchy, parent);
    await Deno.mkdir(directory, { recursive: true });
    try {
      const file = ["memory.limit_in_bytes", "memory.max"].find((name) =>
        existsSync(join(directory, name))
      );
      assert.ok(file !== undefined, "the memory controller is not there");
      await Deno.writeTextFile(join(directory, file), String(LITTLE_MEMORY));
      const config = podConfig(crid, { linux: { cgroupParent: parent } });
      await assert.rejects(
        runPod(crid, config),
        (error) =>
          isServiceError(error) && error.code === 3 &&
          error.details ===
            `pod set memory limit ${LITTLE_MEMORY} too low; should be at least 12582912 bytes`,
      );
      assert.deepEqual((await crid.client.runtime.listPodSandbox({})).items, []);
    } finally {
      await Deno.remove(directory);
    }
  });
});
