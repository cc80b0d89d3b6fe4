import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "@std/path";
import { status as Code } from "@grpc/grpc-js";
import {
  containerConfig,
  createContainer,
  Crid,
  execShell,
  isolate,
  isServiceError,
  makeNode,
  output,
  podConfig,
  runPod,
  startImageRegistry,
} from "../../harness/mod.ts";

/** Directories of the kernel whose files not every kernel has, and which are everybody's. */
const [IRQ, CPUS] = ["/proc/irq", "/sys/devices/system/cpu"];
const ANNOTATIONS = ["irq-load-balancing", "cpu-quota", "cpu-load-balancing", "cpu-c-states"]
  .map((name) => `${name}.crio.io`);
const RDT = "rdt.resources.beta.kubernetes.io/pod";
const PROFILE = "seccomp-profile.crio.io";
/** All of a CPU, as the kubelet gives it to guaranteed pods. */
const WHOLE_CPU = { cpuShares: 1024n, cpusetCpus: "0", cpuQuota: 100_000n, cpuPeriod: 100_000n };

describe("a guaranteed container that wants to be alone on its CPUs", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  /** What stands in for the kernel's files, where crid is. */
  let affinity: string;
  let latency: string;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    const allowed = [...ANNOTATIONS, RDT, PROFILE].map((name) => `"${name}"`).join(", ");
    const node = await makeNode({
      registry: registry.host,
      settings: `[crio.runtime.runtimes.performance]
runtime_path = "/usr/sbin/runc"
allowed_annotations = [${allowed}]

[crio.runtime.runtimes.performance-crun]
runtime_path = "/usr/bin/crun"
allowed_annotations = [${allowed}]
`,
    });
    for (const directory of [IRQ, CPUS]) {
      await output(isolation, "mount", ["-t", "tmpfs", "tmpfs", directory]);
    }
    const inside = `/proc/${isolation.pid}/root`;
    affinity = join(inside, IRQ, "default_smp_affinity");
    latency = join(inside, CPUS, "cpu0/power/pm_qos_resume_latency_us");
    await Deno.mkdir(dirname(latency), { recursive: true });
    await Deno.writeTextFile(affinity, "ff\n");
    await Deno.writeTextFile(latency, "0\n");
    await Deno.writeTextFile(join(node.directory, "irqbalance"), "# nothing\n");
    crid = stack.use(new Crid(node, { isolation }));
    await crid.start();
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
    assert.equal(await text(affinity), "ff");
    assert.equal(await text(latency), "0");
  });

  const text = async (path: string) => (await Deno.readTextFile(path)).trim();

  async function pod(annotations: Record<string, string>, handler = "performance") {
    const labels = { "io.kubernetes.container.name": "main" };
    const config = podConfig(crid, { annotations });
    const asked = containerConfig({ labels, linux: { resources: WHOLE_CPU } });
    return { config, asked, id: await runPod(crid, config, handler) };
  }

  it("has no interrupts, no quota and no sleep of its CPU until it ends, also after a crash", async () => {
    const { config, asked, id } = await pod({
      "irq-load-balancing.crio.io": "disable",
      "cpu-quota.crio.io": "disable",
      "cpu-c-states.crio.io": "disable",
    });
    const quota = quotaFile(crid.node.cgroupParent);
    await Deno.writeTextFile(quota, "100000");
    const containerId = await createContainer(crid, id, config, asked);
    assert.equal(await text(affinity), "ff", "it does not run yet");
    await crid.client.runtime.startContainer({ containerId });
    assert.equal(await text(affinity), "fe");
    assert.equal(await text(latency), "n/a");
    assert.match(await text(join(crid.node.directory, "irqbalance")), /BANNED_CPUS="01"/);
    assert.match(await text(quota), /^(-1|max 100000)$/);
    const own = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null";
    assert.match((await execShell(crid, containerId, own)).stdout, /^(-1|max 100000)\n$/);
    await crid.kill9();
    await crid.start();
    assert.equal(await text(affinity), "fe");
    await crid.client.runtime.stopContainer({ containerId, timeout: 0n });
    assert.equal(await text(affinity), "ff");
    assert.match(await text(join(crid.node.directory, "irqbalance")), /BANNED_CPUS="00"/);
  });

  it("has no quota under crun either, which takes none below zero", async () => {
    const annotations = { "cpu-quota.crio.io": "disable" };
    const { config, asked, id } = await pod(annotations, "performance-crun");
    const containerId = await createContainer(crid, id, config, asked);
    await crid.client.runtime.startContainer({ containerId });
    const own = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null";
    assert.match((await execShell(crid, containerId, own)).stdout, /^(-1|max 100000)\n$/);
  });

  it("is one of many where its handler does not allow that", async () => {
    const { config, asked, id } = await pod({ "irq-load-balancing.crio.io": "disable" }, "");
    const containerId = await createContainer(crid, id, config, asked);
    await crid.client.runtime.startContainer({ containerId });
    assert.equal(await text(affinity), "ff");
  });

  it("does not start where the kernel cannot do that, and leaves nothing done", async () => {
    await Deno.writeTextFile(affinity, "01\n");
    const { config, asked, id } = await pod({
      "irq-load-balancing.crio.io": "disable",
      "cpu-c-states.crio.io": "disable",
    });
    const containerId = await createContainer(crid, id, config, asked);
    await assert.rejects(
      crid.client.runtime.startContainer({ containerId }),
      hasCode(Code.FAILED_PRECONDITION, /no CPU of the node would be left for interrupts/),
    );
    await Deno.writeTextFile(affinity, "ff\n");
    assert.equal(await text(latency), "0");
  });

  it("is told what this version does not do", async () => {
    const refused: readonly (readonly [Record<string, string>, Code, RegExp])[] = [
      [{ "cpu-load-balancing.crio.io": "disable" }, Code.UNIMPLEMENTED, /isolcpus/],
      [{ [`${PROFILE}/main`]: "quay.io/p:1" }, Code.UNIMPLEMENTED, /annotation seccomp-profile/],
      [{ [RDT]: "gold" }, Code.FAILED_PRECONDITION, /RDT disabled, refusing to set RDT class/],
    ];
    for (const [annotations, code, message] of refused) {
      const { config, asked, id } = await pod(annotations);
      await assert.rejects(createContainer(crid, id, config, asked), hasCode(code, message));
      await crid.client.runtime.removePodSandbox({ podSandboxId: id });
    }
  });
});

function quotaFile(path: string): string {
  const files = ["/sys/fs/cgroup/cpu/", "/sys/fs/cgroup/cpu,cpuacct/", "/sys/fs/cgroup/"]
    .flatMap((root) => ["cpu.cfs_quota_us", "cpu.max"].map((name) => join(root, path, name)));
  const found = files.find(existsSync);
  assert.ok(found !== undefined, "the pod's cgroup has no quota");
  return found;
}

function hasCode(code: Code, message: RegExp) {
  return (error: unknown) => {
    assert.ok(isServiceError(error), String(error));
    assert.equal(Code[error.code], Code[code], error.details);
    assert.match(error.details, message);
    return true;
  };
}
