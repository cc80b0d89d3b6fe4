import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  containerConfig,
  execShell,
  isolate,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";

const VOLUME = "registry.k8s.io/crid/whiteouts:latest";

describe("a node whose storage driver is vfs", () => {
  it("pulls images, runs containers that write, mounts images, and cleans up", async () => {
    await using stack = new AsyncDisposableStack();
    const isolation = stack.use(await isolate());
    const images = ["e2e-test-images/busybox", "crid/whiteouts"];
    const registry = stack.use(await startImageRegistry(isolation, images));
    const settings = '[crio]\nstorage_driver = "vfs"\n';
    const crid = stack.use(await startCrid({ registry: registry.host, isolation, settings }));
    const { runtime, image } = crid.client;
    await image.pullImage({ image: { image: VOLUME } });
    const pod = podConfig(crid);
    const podSandboxId = await runPod(crid, pod);
    const mounts = [{ containerPath: "/volume", readonly: true, image: { image: VOLUME } }];
    const id = await runContainer(crid, podSandboxId, pod, containerConfig({ mounts }));
    const { stdout } = await execShell(crid, id, "echo here > /etc/new; cat /etc/new; ls /volume");
    assert.match(stdout, /^here\n./);
    const { stats } = await runtime.containerStats({ containerId: id });
    assert.ok(stats!.writableLayer!.usedBytes!.value > 0n);
    await crid.kill9();
    await crid.start();
    assert.equal((await execShell(crid, id, "cat /etc/new")).stdout, "here\n");
    await crid.client.runtime.stopPodSandbox({ podSandboxId });
    await crid.client.runtime.removePodSandbox({ podSandboxId });
    for (const name of [BUSYBOX, VOLUME]) {
      await crid.client.image.removeImage({ image: { image: name } });
    }
    assert.deepEqual([...Deno.readDirSync(`${crid.node.storageRoot}/vfs/dir`)], []);
  });
});
