/**
 * How long pulls take, from a registry on loopback onto a file system in memory:
 * `deno run -A tests/bench/pull_bench.ts [--small N] [--large N]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BENCH_IMAGES, pushTestImages } from "../images/mod.ts";
import { type Crid, type Registry, startCrid, startRegistry } from "../harness/mod.ts";
import { unpackFloor } from "./floors.ts";
import { runInside } from "./inside.ts";
import { type Figure, printFigures, samples, time } from "./measure.ts";
import { skopeoPull } from "./peers.ts";
import {
  childrenCpuTime,
  cpuTime,
  forgetPeak,
  peakMemory,
  residentMemory,
  restingMemory,
} from "./usage.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: { small: { type: "string", default: "10" }, large: { type: "string", default: "3" } },
});
/** As many as the floor of the budgets was measured with. */
const PARALLEL_LAYERS = 2;
const SMALL = "crid/bench-small";
const LARGE = "crid/bench-large";

/** What one pull, or the floor of it, took. */
interface Cost {
  readonly elapsed: number;
  readonly cpu: number;
}

/** One pull onto an empty store. */
async function pull(crid: Crid, repository: string): Promise<Cost> {
  const image = { image: `registry.k8s.io/${repository}:latest` };
  const before = cpuTime(crid.pid);
  const elapsed = await time(() => crid.client.image.pullImage({ image }, { timeoutMs: 600_000 }));
  const cpu = cpuTime(crid.pid) - before;
  await crid.client.image.removeImage({ image });
  return { elapsed, cpu };
}

async function floor(directory: string, blobs: readonly string[]): Promise<Cost> {
  const before = childrenCpuTime();
  const elapsed = await unpackFloor(directory, blobs, PARALLEL_LAYERS);
  return { elapsed, cpu: childrenCpuTime() - before };
}

/** The layers' blobs, as files. */
async function layerPaths(repository: string): Promise<string[]> {
  const entry = BENCH_IMAGES.find((candidate) => candidate.repository === repository);
  const { blobs } = await entry!.build();
  return blobs.flatMap(({ content }) => "path" in content ? [content.path] : []);
}

async function measure(
  crid: Crid,
  registry: Registry,
  repository: string,
  count: number,
  what: string,
  budget: number,
): Promise<Figure[]> {
  const blobs = await layerPaths(repository);
  const { directory } = crid.node;
  const { elapsed: first } = await pull(crid, repository);
  // In turns, so that whatever else the machine does slows crid and the floor alike.
  const rounds = await samples(count, 1, async () => ({
    pull: await pull(crid, repository),
    floor: await floor(directory, blobs),
  }));
  const skopeo = await skopeoPull(directory, `${registry.host}/${repository}:latest`);
  const figure = (key: keyof Cost): Pick<Figure, "unit" | "values" | "floor"> => ({
    unit: "ms",
    values: rounds.map(({ pull }) => pull[key]),
    floor: {
      what: `gzip | tar, ${PARALLEL_LAYERS} at a time`,
      values: rounds.map(({ floor }) => floor[key]),
    },
  });
  return [
    { what, ...figure("elapsed"), budget },
    { what: `${what}: CPU time`, ...figure("cpu") },
    { what: `${what}: the first`, unit: "ms", values: [first] },
    { what: `${what}: skopeo copy`, unit: "ms", values: [skopeo] },
  ];
}

async function bench(): Promise<void> {
  await using registry = await startRegistry();
  await pushTestImages(registry.url, BENCH_IMAGES.map(({ repository }) => repository));
  await using crid = await startCrid({ registry: registry.host, logLevel: "info" });
  const started = residentMemory(crid.pid);
  const small = await measure(crid, registry, SMALL, Number(values.small), "5.6 MB, 3 layers", 90);
  forgetPeak(crid.pid);
  const what = "1 GB, 12 layers, 68,000 files";
  const large = await measure(crid, registry, LARGE, Number(values.large), what, 6000);
  const peak = peakMemory(crid.pid);
  const idle = await restingMemory(crid.pid);
  printFigures("PullImage from loopback onto tmpfs", [
    ...small,
    ...large,
    { what: "resident memory before", unit: "MB", values: [started] },
    { what: "most during pulls", unit: "MB", values: [peak], budget: 200 },
    { what: "idle again", unit: "MB", values: [idle] },
  ]);
}

await bench();
