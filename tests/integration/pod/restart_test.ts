import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import { join } from "@std/path";
import {
  containerConfig,
  type Crid,
  execShell,
  exited,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { ContainerState, NamespaceMode, PodSandboxState } from "../../../src/gen/runtime/v1/api.ts";

const AUTOMATIC = { namespaceOptions: { pid: NamespaceMode.CONTAINER } };
const SHARED = { linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } } };

describe("crid killed with -9 and started again", () => {
  let crid: Crid;
  sharedCrid((started) => crid = started);

  const pod = (pid = NamespaceMode.CONTAINER) =>
    podConfig(crid, { linux: { securityContext: { namespaceOptions: { pid } } } });

  async function everything() {
    const { runtime } = crid.client;
    const { items } = await runtime.listPodSandbox();
    const { containers } = await runtime.listContainers();
    const statuses = await Promise.all([
      ...items.map(({ id }) => runtime.podSandboxStatus({ podSandboxId: id })),
      ...containers.map(({ id }) => runtime.containerStatus({ containerId: id })),
    ]);
    const byId = (a: { id: string }, b: { id: string }) => a.id < b.id ? -1 : 1;
    return {
      items: items.toSorted(byId),
      containers: containers.toSorted(byId),
      statuses: statuses.map(({ status }) => status!).toSorted(byId),
    };
  }

  const text = (value: unknown) =>
    JSON.stringify(value, (_, one) => typeof one === "bigint" ? String(one) : one, 1);

  it("lists pods and containers, running, created and exited, as they were", async () => {
    const config = {
      ...pod(),
      labels: { app: "web" },
      annotations: { note: "kept" },
      hostname: "kept-host",
    };
    const id = await runPod(crid, config);
    const mount = { hostPath: crid.node.directory, containerPath: "/host", readonly: true };
    await runContainer(
      crid,
      id,
      config,
      containerConfig({
        metadata: { name: "running" },
        labels: { part: "one" },
        annotations: { own: "yes" },
        mounts: [mount],
        linux: { resources: { cpuShares: 512n, memoryLimitInBytes: 64n << 20n } },
      }),
    );
    const ended = await runContainer(
      crid,
      id,
      config,
      containerConfig({ metadata: { name: "ended" }, command: ["sh", "-c", "exit 7"] }),
    );
    await exited(crid, ended);
    await crid.client.runtime.createContainer({
      podSandboxId: id,
      sandboxConfig: config,
      config: containerConfig({ metadata: { name: "created" } }),
    });
    const before = await everything();
    assert.equal(before.containers.length, 3);
    await crid.kill9();
    await crid.start();
    const after = await everything();
    for (const kind of ["items", "containers", "statuses"] as const) {
      // As text: a difference between objects of this size takes minutes to be drawn.
      assert.equal(text(after[kind]), text(before[kind]), kind);
    }
  });

  it("sees exits that happened in between, with their code", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    const flag = join(crid.node.directory, "go");
    await Deno.mkdir(flag);
    const container = await runContainer(
      crid,
      id,
      config,
      containerConfig({
        command: ["sh", "-c", "until [ -e /go/now ]; do sleep 0.05; done; exit 9"],
        mounts: [{ hostPath: flag, containerPath: "/go" }],
      }),
    );
    await crid.kill9();
    await Deno.writeTextFile(join(flag, "now"), "");
    const exit = join(crid.node.exits, container);
    const limit = Date.now() + 10_000;
    while (!await Deno.stat(exit).then(() => true, () => false)) {
      assert.ok(Date.now() < limit, "the monitor writes the exit file without crid");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await crid.start();
    const { status } = await crid.client.runtime.containerStatus({ containerId: container });
    assert.equal(status?.state, ContainerState.CONTAINER_EXITED);
    assert.equal(status.exitCode, 9);
    assert.equal(status.reason, "Error");
    assert.ok(status.finishedAt >= status.startedAt);
  });

  it("notices when a container of before ends together with its monitor", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    const containerId = await runContainer(crid, id, config, containerConfig());
    await crid.kill9();
    await crid.start();
    const file = join(
      crid.node.storageRoot,
      "overlay-containers",
      containerId,
      "userdata/state.json",
    );
    const { initPid, containerMonitorProcess } = JSON.parse(await Deno.readTextFile(file));
    process.kill(containerMonitorProcess.pid, "SIGKILL");
    process.kill(initPid, "SIGKILL");
    assert.equal((await exited(crid, containerId)).exitCode, 255);
  });

  it("goes on with a container whose monitor is not known, as CRI-O may leave one", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    const containerId = await runContainer(crid, id, config, containerConfig());
    await crid.kill9();
    const file = join(
      crid.node.storageRoot,
      "overlay-containers",
      containerId,
      "userdata/state.json",
    );
    const state = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(file, JSON.stringify({ ...state, containerMonitorProcess: null }));
    await crid.start();
    assert.equal((await execShell(crid, containerId, "echo alive")).stdout, "alive\n");
    await crid.client.runtime.stopContainer({ containerId, timeout: 0n });
    assert.equal((await exited(crid, containerId)).exitCode, 137);
  });

  it("goes on with what runs: exec, log, network, stop and remove", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    const container = await runContainer(crid, id, config, containerConfig());
    const address = async () =>
      (await crid.client.runtime.podSandboxStatus({ podSandboxId: id })).status?.network?.ip;
    const ip = await address();
    assert.match(ip ?? "", /^10\./);
    await crid.kill9();
    await crid.start();
    assert.equal(await address(), ip);
    assert.equal((await execShell(crid, container, "echo alive")).stdout, "alive\n");
    await crid.client.runtime.stopContainer({ containerId: container, timeout: 0n });
    assert.equal((await exited(crid, container)).exitCode, 137);
    await crid.client.runtime.stopPodSandbox({ podSandboxId: id });
    const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId: id });
    assert.equal(status?.state, PodSandboxState.SANDBOX_NOTREADY);
  });

  it("finds ended what was stopped a moment before, with all that it had started", async () => {
    const config = pod(NamespaceMode.POD);
    const id = await runPod(crid, config);
    const seconds = String(1_000_000_000 + Math.floor(Math.random() * 1_000_000_000));
    const script = `setsid sleep ${seconds} & exec sleep ${seconds}`;
    const containerId = await runContainer(
      crid,
      id,
      config,
      containerConfig({ ...SHARED, command: ["sh", "-c", script] }),
    );
    await crid.client.runtime.stopContainer({ containerId, timeout: 0n });
    assert.deepEqual(await processesWith(seconds), []);
    await crid.kill9();
    await crid.start();
    const { status } = await crid.client.runtime.containerStatus({ containerId });
    assert.equal(status?.state, ContainerState.CONTAINER_EXITED);
    assert.equal(status.exitCode, 137);
  });

  it("keeps a shared PID namespace", async () => {
    const config = pod(NamespaceMode.POD);
    const id = await runPod(crid, config);
    await runContainer(crid, id, config, containerConfig(SHARED));
    await crid.kill9();
    await crid.start();
    const container = await runContainer(
      crid,
      id,
      config,
      containerConfig({ ...SHARED, metadata: { name: "second" } }),
    );
    const { stdout } = await execShell(crid, container, "cat /proc/1/cmdline");
    assert.match(stdout, /pause/);
  });

  it("reports a pod as not ready whose infra process has died in between", async () => {
    const config = pod(NamespaceMode.POD);
    const podSandboxId = await runPod(crid, config);
    const verbose = await crid.client.runtime.podSandboxStatus({ podSandboxId, verbose: true });
    const { pid } = JSON.parse(verbose.info["info"]!);
    await crid.kill9();
    Deno.kill(pid, "SIGKILL");
    await crid.start();
    const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId });
    assert.equal(status?.state, PodSandboxState.SANDBOX_NOTREADY);
  });

  it("takes away a pod that was only half made", async () => {
    const { socket } = crid;
    // The record is written first; whatever comes after it has not happened when crid dies at once.
    const config = pod();
    const creation = runPod(crid, config).catch(() => {});
    await crid.kill9();
    await creation;
    await crid.start();
    assert.equal(crid.socket, socket);
    const { items } = await crid.client.runtime.listPodSandbox();
    for (const { id } of items) await crid.client.runtime.podSandboxStatus({ podSandboxId: id });
    const again = await runPod(crid, config);
    const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId: again });
    assert.equal(status?.state, PodSandboxState.SANDBOX_READY);
  });

  it("leaves containers running on SIGTERM and finds them afterwards", async () => {
    const config = podConfig(crid, { linux: { securityContext: AUTOMATIC } });
    const id = await runPod(crid, config);
    const container = await runContainer(crid, id, config, containerConfig());
    assert.equal(await crid.stop(), 0);
    await assert.rejects(Deno.stat(crid.socket), Deno.errors.NotFound);
    await crid.start();
    const { status } = await crid.client.runtime.containerStatus({ containerId: container });
    assert.equal(status?.state, ContainerState.CONTAINER_RUNNING);
  });
});

/** Command lines of this machine in which a word occurs. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.split("\0").includes(word)) found.push(line);
  }
  return found;
}
