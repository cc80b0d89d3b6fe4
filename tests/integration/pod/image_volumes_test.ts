import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "@std/path";
import assert from "node:assert/strict";
import type { ContainerConfig } from "../../../src/gen/runtime/v1/api.ts";
import {
  containerConfig,
  createContainer,
  type Crid,
  execShell,
  isolate,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";
import type { Partially } from "../../harness/cri_client.ts";

const VOLUME = "registry.k8s.io/crid/whiteouts:latest";
const ARTIFACT = "registry.k8s.io/crid/artifact:latest";

type Mount = Partially<ContainerConfig["mounts"][number]>;

/** A volume of an image, or of what is at a path in it. */
function volume(image: string, imageSubPath = ""): Mount {
  return { containerPath: "/volume", readonly: true, image: { image }, imageSubPath };
}

/** How often the volume's image is mounted, as the store counts it. */
async function mounted(crid: Crid): Promise<number> {
  const { image } = await crid.client.image.imageStatus({ image: { image: VOLUME } });
  const images = JSON.parse(await readStore(crid.node.storageRoot, "overlay-images/images.json"));
  const { layer } = images.find(({ id }: { id: string }) => id === image?.id);
  const mounts = JSON.parse(await readStore(crid.node.runRoot, "overlay-layers/mountpoints.json"));
  return mounts.find(({ id }: { id: string }) => id === layer)?.count ?? 0;
}

/** An ended container gives back its mounts soon after StopContainer has answered. */
async function mountedTimes(crid: Crid, times: number): Promise<void> {
  for (let left = 100; left > 0 && await mounted(crid) !== times; left--) await pause(20);
  assert.equal(await mounted(crid), times);
}

function readStore(root: string, path: string): Promise<string> {
  return Deno.readTextFile(join(root, path));
}

describe("images as volumes of a container", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let registry: string;
  let isolation: Awaited<ReturnType<typeof isolate>>;

  before(async () => {
    isolation = stack.use(await isolate());
    const images = ["e2e-test-images/busybox", "crid/whiteouts", "crid/artifact"];
    registry = stack.use(await startImageRegistry(isolation, images)).host;
    crid = stack.use(await startCrid({ registry, isolation }));
    for (const image of [BUSYBOX, VOLUME, ARTIFACT]) {
      await crid.client.image.pullImage({ image: { image } });
    }
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    const { runtime } = crid.client;
    for (const { id } of (await runtime.listPodSandbox()).items) {
      await runtime.stopPodSandbox({ podSandboxId: id });
      await runtime.removePodSandbox({ podSandboxId: id });
    }
  });

  const config = (...mounts: Mount[]) => containerConfig({ mounts });
  const start = async (...mounts: Mount[]) => {
    const pod = podConfig(crid);
    return await runContainer(crid, await runPod(crid, pod), pod, config(...mounts));
  };
  const says = async (id: string, script: string) =>
    (await execShell(crid, id, script)).stdout.trim();
  const refused = async (mount: Mount, message: RegExp) => {
    const pod = podConfig(crid);
    const id = await runPod(crid, pod);
    await assert.rejects(
      createContainer(crid, id, pod, config(mount)),
      (error) => isServiceError(error) && message.test(error.details),
    );
  };

  it("show the image's merged tree, and nothing can be written to it", async () => {
    const id = await start(volume(VOLUME));
    const files = await says(id, "cd /volume && find . -type f | sort | head -1");
    assert.match(files, /^\.\//);
    const { exitCode, stderr } = await execShell(crid, id, "touch /volume/new");
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /Read-only/);
    const { image } = await crid.client.image.imageStatus({ image: { image: VOLUME } });
    const { status } = await crid.client.runtime.containerStatus({ containerId: id });
    // The kubelet's collection of images goes by this id.
    assert.equal(status?.mounts[0]?.image?.image, image!.id);
    assert.equal(status?.mounts[0]?.image?.userSpecifiedImage, VOLUME);
    await assert.rejects(
      crid.client.image.removeImage({ image: { image: image!.id } }),
      (error) => isServiceError(error) && /in use/.test(error.details),
    );
  });

  it("show a directory or a file of the image by its sub path", async () => {
    const whole = await start(volume(BUSYBOX));
    const bin = await start(volume(BUSYBOX, "bin"));
    assert.equal(await says(bin, "ls /volume | sort"), await says(whole, "ls /volume/bin | sort"));
    const file = await start(volume(BUSYBOX, "/bin/../bin/busybox"));
    assert.equal(
      await says(file, "sha256sum < /volume"),
      await says(whole, "sha256sum < /volume/bin/busybox"),
    );
  });

  it("refuse a sub path that is not there or leads through a file", async () => {
    await refused(volume(BUSYBOX, "nowhere"), /sub path "nowhere" does not exist/);
    await refused(volume(BUSYBOX, "bin/busybox/x"), /does not exist/);
    await refused(volume(BUSYBOX, "../../../../etc/machine-id"), /does not exist/);
    await refused(volume("registry.k8s.io/crid/absent:latest"), /does not exist locally/);
  });

  it("are read-only also for a client that does not say so", async () => {
    for (const image of [BUSYBOX, ARTIFACT]) {
      const id = await start({ ...volume(image), readonly: false });
      const { exitCode, stderr } = await execShell(crid, id, "touch /volume/new");
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /Read-only/);
    }
  });

  it("stay for one container when another one that uses them goes", async () => {
    const pod = podConfig(crid);
    const sandbox = await runPod(crid, pod);
    const ids: string[] = [];
    for (const name of ["one", "two"]) {
      const metadata = { name, attempt: 0 };
      const container = { ...config(volume(VOLUME)), metadata };
      ids.push(await runContainer(crid, sandbox, pod, container));
    }
    await crid.client.runtime.stopContainer({ containerId: ids[0]!, timeout: 0n });
    await crid.client.runtime.removeContainer({ containerId: ids[0]! });
    assert.notEqual(await says(ids[1]!, "ls /volume"), "");
    await crid.client.runtime.stopContainer({ containerId: ids[1]!, timeout: 0n });
    await crid.client.runtime.removeContainer({ containerId: ids[1]! });
  });

  it("are given back once each when crid was killed in between", async () => {
    const pod = podConfig(crid);
    const sandbox = await runPod(crid, pod);
    const run = (name: string) =>
      runContainer(crid, sandbox, pod, {
        ...config(volume(VOLUME)),
        metadata: { name, attempt: 0 },
      });
    const [ended, running] = [await run("ended"), await run("running")];
    await crid.client.runtime.stopContainer({ containerId: ended, timeout: 0n });
    await mountedTimes(crid, 1);
    await crid.kill9();
    await crid.start();
    await crid.client.runtime.removeContainer({ containerId: ended });
    await mountedTimes(crid, 1);
    await crid.client.runtime.stopContainer({ containerId: running, timeout: 0n });
    await mountedTimes(crid, 0);
  });

  it("hold the files of an OCI artifact by their titles", async () => {
    const id = await start(volume(ARTIFACT));
    assert.match(await says(id, "cat /volume/profile.json"), /SCMP_ACT_ALLOW/);
    await refused(volume(ARTIFACT, "nowhere"), /"nowhere" does not exist in OCI artifact volume/);
    const file = await start(volume(ARTIFACT, "profile.json"));
    assert.match(await says(file, "cat /volume"), /SCMP_ACT_ALLOW/);
    assert.notEqual((await execShell(crid, id, "rm /volume/profile.json")).exitCode, 0);
  });

  it("are no artifacts where oci_artifact_mount_support is false", async () => {
    await using strict = await startCrid({
      registry,
      isolation,
      env: { CONTAINER_OCI_ARTIFACT_SUPPORT: "false" },
    });
    for (const image of [BUSYBOX, ARTIFACT]) {
      await strict.client.image.pullImage({ image: { image } });
    }
    const pod = podConfig(strict);
    const id = await runPod(strict, pod);
    await assert.rejects(
      createContainer(strict, id, pod, config(volume(ARTIFACT))),
      (error) => isServiceError(error) && /oci_artifact_mount_support is false/.test(error.details),
    );
    await runContainer(strict, id, pod, config(volume(BUSYBOX)));
    await strict.client.runtime.stopPodSandbox({ podSandboxId: id });
    await strict.client.runtime.removePodSandbox({ podSandboxId: id });
  });
});
