/**
 * A full node, and one that has had many pods: `deno run -A tests/bench/scale_bench.ts [--runtime
 * runc|crun] [--pods N] [--containers N] [--lives N] [--parallel N]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BUSYBOX, pushTestImages } from "../images/mod.ts";
import {
  containerConfig,
  type Crid,
  inventory,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startRegistry,
} from "../harness/mod.ts";
import { runInside } from "./inside.ts";
import { printFigures, samples, time } from "./measure.ts";
import { restingMemory } from "./usage.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runtime: { type: "string", default: "runc" },
    pods: { type: "string", default: "200" },
    containers: { type: "string", default: "2" },
    lives: { type: "string", default: "1000" },
    parallel: { type: "string", default: "2" },
  },
});
const runtime = values.runtime === "crun" ? "crun" : "runc";
const [pods, containers, lives, parallel] = [
  Number(values.pods),
  Number(values.containers),
  Number(values.lives),
  Number(values.parallel),
];

/** A pod with its containers; its id. */
async function podWith(crid: Crid, count: number): Promise<string> {
  const config = podConfig(crid);
  const pod = await runPod(crid, config);
  for (let number = 0; number < count; number++) {
    const metadata = { name: `c${number}`, attempt: 0 };
    await runContainer(crid, pod, config, containerConfig({ metadata }));
  }
  return pod;
}

async function remove(crid: Crid, podSandboxId: string): Promise<void> {
  await crid.client.runtime.stopPodSandbox({ podSandboxId });
  await crid.client.runtime.removePodSandbox({ podSandboxId });
}

/** Milliseconds from the start of the process until every pod and container is listed. */
async function restart(crid: Crid): Promise<number> {
  return await time(async () => {
    await crid.start();
    const { items } = await crid.client.runtime.listPodSandbox();
    const listed = await crid.client.runtime.listContainers();
    if (items.length !== pods) throw new Error(`${items.length} of ${pods} pods are left`);
    if (listed.containers.length !== pods * containers) throw new Error("containers are lost");
  });
}

async function bench(): Promise<void> {
  await using registry = await startRegistry();
  await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
  await using crid = await startCrid({ registry: registry.host, runtime, logLevel: "info" });
  await crid.client.image.pullImage({ image: { image: BUSYBOX } });

  const ids = await samples(pods, parallel, () => podWith(crid, containers));
  const full = await restingMemory(crid.pid);
  const restarts = { crash: [] as number[], clean: [] as number[] };
  for (let round = 0; round < 3; round++) {
    await crid.kill9();
    restarts.crash.push(await restart(crid));
    await crid.stop();
    restarts.clean.push(await restart(crid));
  }
  const list = await samples(20, 1, () => time(() => crid.client.runtime.listContainers()));
  await samples(ids.length, parallel, (number) => remove(crid, ids[number]!));

  await samples(4, parallel, async () => await remove(crid, await podWith(crid, 1)));
  const earlier = { counts: await inventory(crid), memory: await restingMemory(crid.pid) };
  await samples(lives, parallel, async () => await remove(crid, await podWith(crid, 1)));
  const later = { counts: await inventory(crid), memory: await restingMemory(crid.pid) };

  const what = `${pods} pods with ${containers} containers`;
  printFigures(`${what} on one node, then ${lives} pods made and removed, ${runtime}`, [
    { what: "kill -9 to serving", unit: "ms", values: restarts.crash, budget: 1000 },
    { what: "clean stop to serving", unit: "ms", values: restarts.clean, budget: 1000 },
    { what: "ListContainers", unit: "ms", values: list },
    { what: "memory at rest, full", unit: "MB", values: [full] },
    { what: `memory at rest before ${lives} lives`, unit: "MB", values: [earlier.memory] },
    { what: `memory at rest after ${lives} lives`, unit: "MB", values: [later.memory] },
  ]);
  for (const [name, before] of Object.entries(earlier.counts)) {
    const now = later.counts[name]!;
    console.log(`${name}: ${before} before, ${now} after${now > before ? "  <- grew" : ""}`);
  }
}

await bench();
