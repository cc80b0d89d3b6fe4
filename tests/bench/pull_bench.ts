/**
 * How long pulls take, from a registry on loopback onto a file system in memory:
 * `deno run -A tests/bench/pull_bench.ts [--small N] [--large N]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BENCH_IMAGES, pushTestImages } from "../images/mod.ts";
import { type Crid, startCrid, startRegistry } from "../harness/mod.ts";
import { unpackFloor } from "./floors.ts";
import { runInside } from "./inside.ts";
import { printFigures, samples, time } from "./measure.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: { small: { type: "string", default: "10" }, large: { type: "string", default: "3" } },
});
/** As many as the floor of the budgets was measured with. */
const PARALLEL_LAYERS = 2;

/** One pull onto an empty store. */
async function pull(crid: Crid, repository: string): Promise<number> {
  const image = { image: `registry.k8s.io/${repository}:latest` };
  const taken = await time(() => crid.client.image.pullImage({ image }, { timeoutMs: 600_000 }));
  await crid.client.image.removeImage({ image });
  return taken;
}

/** The layers' blobs, as files. */
async function layerPaths(repository: string): Promise<string[]> {
  const entry = BENCH_IMAGES.find((candidate) => candidate.repository === repository);
  const { blobs } = await entry!.build();
  return blobs.flatMap(({ content }) => "path" in content ? [content.path] : []);
}

async function measure(crid: Crid, repository: string, count: number) {
  const blobs = await layerPaths(repository);
  const { directory } = crid.node;
  await pull(crid, repository);
  // In turns, so that whatever else the machine does slows crid and the floor alike.
  const rounds = await samples(count, 1, async () => ({
    pull: await pull(crid, repository),
    floor: await unpackFloor(directory, blobs, PARALLEL_LAYERS),
  }));
  return {
    values: rounds.map(({ pull }) => pull),
    floor: {
      what: `gzip | tar, ${PARALLEL_LAYERS} at a time`,
      values: rounds.map(({ floor }) => floor),
    },
  };
}

async function bench(): Promise<void> {
  await using registry = await startRegistry();
  await pushTestImages(registry.url, BENCH_IMAGES.map(({ repository }) => repository));
  await using crid = await startCrid({ registry: registry.host });
  const small = await measure(crid, "crid/bench-small", Number(values.small));
  const large = await measure(crid, "crid/bench-large", Number(values.large));
  printFigures("PullImage from loopback onto tmpfs", [
    { what: "5.6 MB, 3 layers", unit: "ms", ...small, budget: 90 },
    { what: "1 GB, 12 layers, 68,000 files", unit: "ms", ...large, budget: 6000 },
  ]);
}

await bench();
