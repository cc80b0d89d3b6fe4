/**
 * How long a pod's life takes: `deno run -A tests/bench/lifecycle_bench.ts [--runtime runc|crun]
 * [--samples N] [--parallel N] [--pods N]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BUSYBOX, busyboxLayer, pushTestImages } from "../images/mod.ts";
import {
  containerConfig,
  createContainer,
  type Crid,
  podConfig,
  runPod,
  startCrid,
  startRegistry,
} from "../harness/mod.ts";
import { makeBundle, networkFloor, OBEDIENT, obeys, runtimeFloor } from "./floors.ts";
import { runInside } from "./inside.ts";
import { printFigures, samples, time } from "./measure.ts";
import { restingMemory } from "./usage.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runtime: { type: "string", default: "runc" },
    samples: { type: "string", default: "20" },
    parallel: { type: "string", default: "2" },
    pods: { type: "string", default: "40" },
  },
});
const runtime = values.runtime === "crun" ? "crun" : "runc";
const count = Number(values.samples);
const parallel = Number(values.parallel);
const podCount = Number(values.pods);

/**
 * Pods before the measured ones. A node makes its first pods once, and the others all its life; both isolate
 * and client compile as they go.
 */
const WARM_UP = 20;

/** Milliseconds of each step of one pod. */
interface Life {
  readonly runPod: number;
  readonly startContainer: number;
  /** Until the process could obey; not crid's doing. */
  readonly ready: number;
  readonly stopContainer: number;
  readonly removeContainer: number;
  readonly stopPod: number;
  readonly removePod: number;
}

async function live(crid: Crid): Promise<Life> {
  const { runtime } = crid.client;
  const pod = podConfig(crid);
  let podSandboxId = "";
  let containerId = "";
  return {
    runPod: await time(async () => podSandboxId = await runPod(crid, pod)),
    startContainer: await time(async () => {
      const config = containerConfig({ command: OBEDIENT });
      ({ containerId } = await runtime.createContainer({
        podSandboxId,
        sandboxConfig: pod,
        config,
      }));
      await runtime.startContainer({ containerId });
    }),
    ready: await time(() => obedient(crid, containerId)),
    stopContainer: await time(() => runtime.stopContainer({ containerId, timeout: 10n })),
    removeContainer: await time(() => runtime.removeContainer({ containerId })),
    stopPod: await time(() => runtime.stopPodSandbox({ podSandboxId })),
    removePod: await time(() => runtime.removePodSandbox({ podSandboxId })),
  };
}

/** Waits until the container's process handles SIGTERM. */
async function obedient(crid: Crid, containerId: string): Promise<void> {
  const { info } = await crid.client.runtime.containerStatus({ containerId, verbose: true });
  const { pid }: { pid: number } = JSON.parse(info["info"] ?? "{}");
  await obeys(pid);
}

async function fill(crid: Crid): Promise<void> {
  await samples(podCount, parallel, async () => {
    const pod = podConfig(crid);
    const podSandboxId = await runPod(crid, pod);
    const containerId = await createContainer(crid, podSandboxId, pod, containerConfig());
    await crid.client.runtime.startContainer({ containerId });
  });
}

/** Milliseconds from the start of the process until every pod is listed. */
async function restart(crid: Crid): Promise<number> {
  await crid.kill9();
  return await time(async () => {
    await crid.start();
    const { items } = await crid.client.runtime.listPodSandbox();
    if (items.length !== podCount) throw new Error(`${items.length} of ${podCount} pods are left`);
  });
}

async function bench(): Promise<void> {
  await using registry = await startRegistry();
  await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
  await using crid = await startCrid({ registry: registry.host, runtime, logLevel: "info" });
  await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  const idle = await restingMemory(crid.pid);

  const { blob } = await busyboxLayer();
  if (!("path" in blob.content)) throw new Error("layers are kept as files");
  const { directory } = crid.node;
  const bundle = await makeBundle(runtime, directory, blob.content.path);
  const first = await live(crid);
  await samples(WARM_UP, parallel, () => live(crid));
  // In turns, so that whatever else the machine does slows crid and the floors alike.
  const rounds = await samples(count, parallel, async (number) => ({
    life: await live(crid),
    network: await networkFloor(directory, number),
    runtime: await runtimeFloor(bundle, number),
  }));

  await fill(crid);
  const full = await restingMemory(crid.pid);
  const restarts = [await restart(crid), await restart(crid), await restart(crid)];

  const step = (name: keyof Life) => rounds.map(({ life }) => life[name]);
  printFigures(`${count} pods, ${parallel} at a time, ${runtime}, CNI bridge and portmap`, [
    {
      what: "RunPodSandbox",
      unit: "ms",
      values: step("runPod"),
      floor: { what: "ip netns add, CNI ADD", values: rounds.map(({ network }) => network.up) },
      budget: 70,
    },
    {
      what: "CreateContainer + StartContainer",
      unit: "ms",
      values: step("startContainer"),
      floor: {
        what: `${runtime} create, start`,
        values: rounds.map(({ runtime }) => runtime.start),
      },
      budget: runtime === "crun" ? 40 : 60,
    },
    {
      what: "StopContainer",
      unit: "ms",
      values: step("stopContainer"),
      floor: {
        what: `${runtime} kill, process ends`,
        values: rounds.map(({ runtime }) => runtime.stop),
      },
      budget: 30,
    },
    { what: "RemoveContainer", unit: "ms", values: step("removeContainer") },
    {
      what: "StopPodSandbox",
      unit: "ms",
      values: step("stopPod"),
      floor: {
        what: "CNI DEL, ip netns delete",
        values: rounds.map(({ network }) => network.down),
      },
      budget: 120,
    },
    { what: "RemovePodSandbox", unit: "ms", values: step("removePod") },
    {
      what: "first pod, run to started",
      unit: "ms",
      values: [first.runPod + first.startContainer],
    },
    { what: "memory at rest, no pods", unit: "MB", values: [idle] },
    { what: `memory at rest, ${podCount} pods`, unit: "MB", values: [full], budget: 110 },
    { what: `kill -9 to serving, ${podCount} pods`, unit: "ms", values: restarts, budget: 1000 },
  ]);
}

await bench();
