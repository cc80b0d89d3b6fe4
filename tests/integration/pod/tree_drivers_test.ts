import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
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
import { BtrfsDisk, hasBtrfs } from "../storage/btrfs_disk.ts";
import { BUSYBOX } from "../../images/mod.ts";

const VOLUME = "registry.k8s.io/crid/whiteouts:latest";

/** A node on a driver that keeps whole trees in `trees`. */
async function lifeOn(driver: string, graphRoot: string | undefined, trees: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const isolation = stack.use(await isolate());
  const images = ["e2e-test-images/busybox", "crid/whiteouts"];
  const registry = stack.use(await startImageRegistry(isolation, images));
  const root = graphRoot === undefined ? "" : `root = "${graphRoot}"`;
  const settings = `[crio]\nstorage_driver = "${driver}"\n${root}\n`;
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
  const left = join(graphRoot ?? crid.node.storageRoot, driver, trees);
  assert.deepEqual([...Deno.readDirSync(left)], []);
}

const WHAT = "pulls images, runs containers that write, mounts images, and cleans up";

describe("a node whose storage driver is vfs", () => {
  it(WHAT, () => lifeOn("vfs", undefined, "dir"));
});

// Where the kernel has no btrfs, or no loop devices, nothing of it can be tried.
describe("a node whose storage driver is btrfs", { ignore: !hasBtrfs() }, () => {
  it(WHAT, async () => {
    await using disk = await BtrfsDisk.create();
    await lifeOn("btrfs", join(disk.path, "graph"), "subvolumes");
  });
});
