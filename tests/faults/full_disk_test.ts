import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  containerConfig,
  Crid,
  exited,
  isolate,
  isServiceError,
  makeNode,
  podConfig,
  runContainer,
  runPod,
  startImageRegistry,
} from "../harness/mod.ts";
import { BUSYBOX } from "../images/mod.ts";
import { type Place, PLACES, type Resource, type SmallDisks, smallDisks } from "./full_disk.ts";
import { type CallName, Life } from "./life.ts";

/** What a call writes: with nothing left of it, the call cannot work. */
const WRITES: readonly (readonly [call: CallName, place: Place, resource: Resource])[] = [
  ["runPodSandbox", "storageRoot", "bytes"],
  ["runPodSandbox", "storageRoot", "files"],
  ["runPodSandbox", "runRoot", "bytes"],
  ["runPodSandbox", "runRoot", "files"],
  ["runPodSandbox", "logs", "files"],
  ["runPodSandbox", "namespaces", "files"],
  ["createContainer", "storageRoot", "bytes"],
  ["createContainer", "storageRoot", "files"],
  ["createContainer", "runRoot", "bytes"],
  ["createContainer", "runRoot", "files"],
  ["createContainer", "logs", "files"],
  ["startContainer", "storageRoot", "bytes"],
  ["startContainer", "storageRoot", "files"],
  ["execSync", "runRoot", "bytes"],
  ["execSync", "runRoot", "files"],
  ["updateContainerResources", "storageRoot", "bytes"],
  ["updateContainerResources", "storageRoot", "files"],
];

/** What the kernel says, or a program that crid has asked to write. */
const NO_ROOM = /no space left on device|os error 28/i;
/** A call that does not work with so much left would not end its test. */
const MOST = 60;

describe("a pod on a node whose disk is full", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let disks: SmallDisks;
  /** A directory with room, for telling containers something. */
  let signs: string;

  before(async () => {
    const node = await makeNode({});
    signs = join(node.directory, "signs");
    await Deno.mkdir(signs);
    disks = stack.use(smallDisks(node));
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    await Deno.writeTextFile(
      node.registriesConf,
      `[[registry]]
location = "registry.k8s.io"
[[registry.mirror]]
location = "${registry.host}"
insecure = true
`,
    );
    crid = stack.use(new Crid(node, { isolation }));
    await crid.start();
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    disks.enough();
    await crid.removePods();
    const own = PLACES.map((place) => `mount ${crid.node[place]}`);
    assert.deepEqual((await crid.leftovers()).filter((left) => !own.includes(left)), []);
  });

  for (const [call, place, resource] of WRITES) {
    it(`says so when ${place} runs out of ${resource} at any write of ${call}, and can retry`, async () => {
      const life = new Life(crid, "plain");
      await life.until(call);
      let failures = 0;
      for (; failures < MOST; failures++) {
        await life.makeReady(call);
        disks.leave(place, resource, failures);
        const error = await life.do(call).then(() => undefined, (error) => error);
        disks.enough();
        if (error === undefined) break;
        assert.ok(isServiceError(error), String(error));
        assert.match(error.details, NO_ROOM);
        await life.nothingHalfMade(call);
      }
      assert.ok(failures > 0 && failures < MOST, `${failures} failures`);
      await life.after(call);
    });
  }

  for (const place of PLACES) {
    for (const resource of ["bytes", "files"] as const) {
      it(`is stopped and removed while ${place} has no ${resource} left`, async () => {
        const { podSandboxId, containerId } = await run(["sleep", "1000"]);
        const { runtime } = crid.client;
        disks.leave(place, resource, 0);
        await runtime.stopContainer({ containerId, timeout: 0n });
        await runtime.removeContainer({ containerId });
        await runtime.stopPodSandbox({ podSandboxId });
        await runtime.removePodSandbox({ podSandboxId });
        assert.deepEqual((await runtime.listPodSandbox()).items, []);
      });
    }
  }

  for (const place of ["storageRoot", "runRoot", "exits"] as const) {
    for (const resource of ["bytes", "files"] as const) {
      it(`has a container that ends with its code while ${place} has no ${resource} left`, async () => {
        const script = "while [ ! -e /signs/end ]; do sleep 0.1; done; exit 7";
        const { containerId } = await run(["sh", "-c", script]);
        disks.leave(place, resource, 0);
        await Deno.writeTextFile(join(signs, "end"), "");
        assert.equal((await exited(crid, containerId)).exitCode, 7);
        await crid.kill9();
        await crid.start();
        assert.equal((await exited(crid, containerId)).exitCode, 7);
      });
    }
  }

  async function run(command: readonly string[]) {
    const config = podConfig(crid);
    const podSandboxId = await runPod(crid, config);
    await Deno.remove(join(signs, "end")).catch(() => {});
    const mounts = [{ containerPath: "/signs", hostPath: signs }];
    const asked = containerConfig({ command, mounts });
    const containerId = await runContainer(crid, podSandboxId, config, asked);
    return { podSandboxId, containerId };
  }
});
