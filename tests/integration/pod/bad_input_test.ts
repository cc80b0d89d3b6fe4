import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { status as Code } from "@grpc/grpc-js";
import {
  containerConfig,
  createContainer,
  type Crid,
  isolate,
  isServiceError,
  type Partially,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";
import {
  type ContainerConfig,
  MountPropagation,
  NamespaceMode,
} from "../../../src/gen/runtime/v1/api.ts";

const OWN_PID = { namespaceOptions: { pid: NamespaceMode.CONTAINER } };
const UNKNOWN_ID = "0".repeat(64);

describe("bad input for pods and containers", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let id: string;
  let config: ReturnType<typeof podConfig>;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    crid = stack.use(
      await startCrid({
        registry: registry.host,
        isolation,
        settings: `[crio.runtime]\nabsent_mount_sources_to_reject = ["/nowhere/at/all"]\n`,
      }),
    );
    config = podConfig(crid, { linux: { securityContext: OWN_PID } });
    id = await runPod(crid, config);
    await runContainer(crid, id, config, containerConfig());
  });
  after(async () => {
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
    await stack.disposeAsync();
  });
  afterEach(async () => {
    const { containers } = await crid.client.runtime.listContainers();
    assert.equal(containers.length, 1, "what was refused has left nothing");
  });

  async function refused(call: Promise<unknown>, code: number, message: RegExp): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!isServiceError(error)) throw error;
      assert.equal(error.code, code, error.details);
      assert.match(error.details, message);
      return;
    }
    assert.fail("it is accepted");
  }

  const security = (context: Partially<ContainerConfig>["linux"]) => ({ linux: context });
  const containers: readonly (readonly [
    string,
    Partially<ContainerConfig>,
    number,
    RegExp,
  ])[] = [
    [
      "a user name that the image does not have",
      security({ securityContext: { ...OWN_PID, runAsUsername: "nobody-here" } }),
      Code.INVALID_ARGUMENT,
      /nobody-here/,
    ],
    [
      "a group without a user",
      security({ securityContext: { ...OWN_PID, runAsGroup: { value: 1n } } }),
      Code.INVALID_ARGUMENT,
      /user group is specified without user/,
    ],
    [
      "a missing mount source that must not become a directory",
      { mounts: [{ hostPath: "/nowhere/at/all", containerPath: "/x" }] },
      Code.INVALID_ARGUMENT,
      /cannot mount \/nowhere\/at\/all: path does not exist/,
    ],
    [
      "an unknown capability",
      security({ securityContext: { ...OWN_PID, capabilities: { addCapabilities: ["FLY"] } } }),
      Code.INVALID_ARGUMENT,
      /unknown capability "CAP_FLY" to add/,
    ],
    [
      "a recursive read-only mount that is writable",
      { mounts: [{ hostPath: "/tmp", containerPath: "/x", recursiveReadOnly: true }] },
      Code.INVALID_ARGUMENT,
      /recursive read-only mount conflicts with read-write mount for hostPath "\/tmp"/,
    ],
    [
      "a bidirectional mount of what is not shared",
      {
        mounts: [{
          hostPath: "/proc",
          containerPath: "/x",
          propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL,
        }],
      },
      Code.INVALID_ARGUMENT,
      /is not a shared mount/,
    ],
    [
      "an image that is not there",
      { image: { image: "registry.k8s.io/not/pulled:1" } },
      Code.NOT_FOUND,
      /not on this node/,
    ],
    [
      "a log path that leaves the pod's directory",
      { logPath: "../../../etc/cron.d/evil" },
      Code.INVALID_ARGUMENT,
      /not below the pod's log directory/,
    ],
    [
      "too little memory",
      security({ resources: { memoryLimitInBytes: 1000n }, securityContext: OWN_PID }),
      Code.INVALID_ARGUMENT,
      /set memory limit 1000 too low; should be at least 12582912 bytes/,
    ],
    [
      "privileged in a pod that is not",
      security({ securityContext: { ...OWN_PID, privileged: true } }),
      Code.INVALID_ARGUMENT,
      /no privileged container allowed in sandbox/,
    ],
    [
      "a seccomp profile that is not there",
      security({
        securityContext: { ...OWN_PID, seccomp: { profileType: 2, localhostRef: "/no/profile" } },
      }),
      Code.INVALID_ARGUMENT,
      /unable to load local profile "\/no\/profile"/,
    ],
  ];
  for (const [what, change, code, message] of containers) {
    it(`refuses ${what}`, async () => {
      const bad = containerConfig({ ...change, metadata: { name: "bad" } });
      const { image } = bad;
      const create = crid.client.runtime.createContainer({
        podSandboxId: id,
        sandboxConfig: config,
        config: { ...bad, image },
      });
      await refused(create, code, message);
    });
  }

  it("says that a command does not exist, and can remove the container", async () => {
    const bad = containerConfig({ metadata: { name: "bad" }, command: ["/no/such/program"] });
    await refused(runContainer(crid, id, config, bad), Code.UNKNOWN, /no\/such\/program/);
    const { containers } = await crid.client.runtime.listContainers({
      filter: { labelSelector: {} },
    });
    for (const container of containers.filter(({ metadata }) => metadata?.name === "bad")) {
      await crid.client.runtime.removeContainer({ containerId: container.id });
    }
  });

  it("answers not found for what is unknown, and succeeds in stopping and removing it", async () => {
    const { runtime } = crid.client;
    const unknown = { containerId: UNKNOWN_ID };
    await refused(runtime.containerStatus(unknown), Code.NOT_FOUND, /container "0000/);
    await refused(runtime.startContainer(unknown), Code.NOT_FOUND, /container "0000/);
    await refused(runtime.execSync({ ...unknown, cmd: ["true"] }), Code.NOT_FOUND, /0000/);
    await refused(
      runtime.podSandboxStatus({ podSandboxId: UNKNOWN_ID }),
      Code.NOT_FOUND,
      /pod sandbox "0000/,
    );
    await refused(
      createContainer(crid, UNKNOWN_ID, config, containerConfig()),
      Code.NOT_FOUND,
      /pod sandbox "0000/,
    );
    for (let again = 0; again < 2; again++) {
      await runtime.stopContainer({ ...unknown, timeout: 0n });
      await runtime.removeContainer(unknown);
      await runtime.stopPodSandbox({ podSandboxId: UNKNOWN_ID });
      await runtime.removePodSandbox({ podSandboxId: UNKNOWN_ID });
    }
    assert.deepEqual((await runtime.listContainers({ filter: { id: UNKNOWN_ID } })).containers, []);
  });

  it("refuses a pod with an unknown runtime handler and one without a name", async () => {
    const { runtime } = crid.client;
    await refused(
      runtime.runPodSandbox({ config: podConfig(crid), runtimeHandler: "kata" }),
      Code.INVALID_ARGUMENT,
      /failed to find runtime handler kata/,
    );
    const nameless = podConfig(crid, { metadata: { name: "" } });
    await refused(runtime.runPodSandbox({ config: nameless }), Code.INVALID_ARGUMENT, /name/);
    const relative = podConfig(crid, { logDirectory: "logs" });
    await refused(runtime.runPodSandbox({ config: relative }), Code.INVALID_ARGUMENT, /absolute/);
    await assert.rejects(Deno.stat(join(Deno.cwd(), "logs")), Deno.errors.NotFound);
  });

  it("kills a command that takes too long, with all that it started", async () => {
    const [container] = (await crid.client.runtime.listContainers()).containers;
    const script = "setsid sleep 4321 & sleep 4321";
    const exec = crid.client.runtime.execSync({
      containerId: container!.id,
      cmd: ["sh", "-c", script],
      timeout: 1n,
    });
    await refused(exec, Code.DEADLINE_EXCEEDED, /timed out/);
    const { stdout } = await crid.client.runtime.execSync({
      containerId: container!.id,
      cmd: ["sh", "-c", "pgrep -f 'sleep 4321' | grep -v $$ || true"],
      timeout: 10n,
    });
    assert.equal(new TextDecoder().decode(stdout), "");
  });

  it("stops a first process that installs its handler only after it was told to stop", async () => {
    const late = containerConfig({
      metadata: { name: "late" },
      command: ["sh", "-c", "sleep 1; trap 'exit 3' TERM; while :; do sleep 0.1; done"],
    });
    const containerId = await runContainer(crid, id, config, late);
    const began = performance.now();
    await crid.client.runtime.stopContainer({ containerId, timeout: 60n });
    assert.ok(performance.now() - began < 30_000, "it was not killed at the end of its time");
    const { status } = await crid.client.runtime.containerStatus({ containerId });
    assert.equal(status?.exitCode, 3);
    await crid.client.runtime.removeContainer({ containerId });
  });

  it("refuses a container in a stopped pod", async () => {
    const stopped = podConfig(crid, { linux: { securityContext: OWN_PID } });
    const podSandboxId = await runPod(crid, stopped);
    await crid.client.runtime.stopPodSandbox({ podSandboxId });
    await refused(
      createContainer(crid, podSandboxId, stopped, containerConfig()),
      Code.FAILED_PRECONDITION,
      /CreateContainer failed as the sandbox was stopped/,
    );
    await crid.client.runtime.removePodSandbox({ podSandboxId });
  });
});
