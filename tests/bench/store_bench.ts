/**
 * A node with many images: how soon it serves, and how long it takes to list them:
 * `deno run -A tests/bench/store_bench.ts [--images N] [--layers N]`, layers for each image.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { type Crid, startCrid } from "../harness/mod.ts";
import { runInside } from "./inside.ts";
import { printFigures, samples, time } from "./measure.ts";
import { cpuTime, residentMemory } from "./usage.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: {
    images: { type: "string", default: "500" },
    layers: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
  },
});
const [images, layers, rounds] = [
  Number(values.images),
  Number(values.layers),
  Number(values.rounds),
];

/** The kernel counts CPU time in steps of 10 ms. */
const CPU_CALLS = 200;

const hex = (text: string) => createHash("sha256").update(text).digest("hex");
const TAR_SPLIT = gzipSync('{"type":2,"payload":"AAAA","position":0}\n');
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Writes a store as if `images` images had been pulled, none sharing a layer with another. */
function fill(root: string): void {
  const records = { layers: [] as unknown[], images: [] as unknown[] };
  for (const name of ["overlay/l", "overlay-layers", "overlay-images", "overlay-containers"]) {
    Deno.mkdirSync(join(root, name), { recursive: true });
  }
  for (let image = 0; image < images; image++) {
    let parent: string | undefined;
    let lower = "";
    const diffIds: string[] = [];
    for (let layer = 0; layer < layers; layer++) {
      const diff = hex(`${image} ${layer}`);
      const id: string = parent === undefined ? diff : hex(`${parent}+${diff}`);
      diffIds.push(`sha256:${diff}`);
      lower = writeLayer(root, id, lower);
      records.layers.push({
        id,
        ...parent === undefined ? {} : { parent },
        created: new Date().toISOString(),
        "compressed-diff-digest": `sha256:${hex(id)}`,
        "compressed-size": 1000,
        "diff-digest": `sha256:${diff}`,
        "diff-size": 2048,
        compression: 2,
        uidset: [0],
        gidset: [0],
      });
      parent = id;
    }
    records.images.push(writeImage(root, image, parent!, diffIds));
  }
  Deno.writeTextFileSync(join(root, "overlay-layers/layers.json"), JSON.stringify(records.layers));
  Deno.writeTextFileSync(join(root, "overlay-images/images.json"), JSON.stringify(records.images));
}

/** @returns The list of lower layers for the layer above. */
function writeLayer(root: string, id: string, lower: string): string {
  const link = Array.from(hex(id).slice(0, 26), (digit) => BASE32[parseInt(digit, 16)]).join("");
  const directory = join(root, "overlay", id);
  for (const name of ["diff", "work", "merged"]) {
    Deno.mkdirSync(join(directory, name), { recursive: true });
  }
  Deno.writeTextFileSync(join(directory, "link"), link);
  if (lower !== "") Deno.writeTextFileSync(join(directory, "lower"), lower);
  Deno.symlinkSync(`../${id}/diff`, join(root, "overlay/l", link));
  Deno.writeFileSync(join(root, `overlay-layers/${id}.tar-split.gz`), TAR_SPLIT);
  return lower === "" ? `l/${link}` : `l/${link}:${lower}`;
}

function writeImage(root: string, number: number, layer: string, diffIds: readonly string[]) {
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: "2024-01-02T03:04:05Z",
    config: { Env: ["PATH=/usr/bin:/bin"], Cmd: ["/bin/app"], Labels: { number: `${number}` } },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map((id) => ({ created_by: `RUN make ${id}` })),
  });
  const id = hex(config);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    config: { digest: `sha256:${id}`, size: config.length },
    layers: diffIds.map((digest) => ({ digest, size: 1000 })),
  });
  const digest = `sha256:${hex(manifest)}`;
  const data = {
    manifest,
    [`manifest-${digest}`]: manifest,
    [`sha256:${id}`]: config,
  };
  const directory = join(root, "overlay-images", id);
  Deno.mkdirSync(directory);
  for (const [key, text] of Object.entries(data)) {
    const name = key === "manifest" ? key : `=${btoa(key)}`;
    Deno.writeTextFileSync(join(directory, name), text);
  }
  const each = <Value>(value: (text: string) => Value) =>
    Object.fromEntries(Object.entries(data).map(([key, text]) => [key, value(text)]));
  return {
    id,
    digest,
    names: [`registry.example/team/app-${number}:v1`],
    layer,
    metadata: "{}",
    "big-data-names": Object.keys(data),
    "big-data-sizes": each((text) => text.length),
    "big-data-digests": each((text) => `sha256:${hex(text)}`),
    created: "2024-01-02T03:04:05Z",
  };
}

async function list(crid: Crid): Promise<void> {
  const { images: listed } = await crid.client.image.listImages();
  if (listed.length !== images) throw new Error(`${listed.length} of ${images} images are listed`);
}

async function bench(): Promise<void> {
  await using crid = await startCrid({ logLevel: "info" });
  await crid.stop();
  const empty = await samples(rounds, 1, async () => {
    const elapsed = await time(() => crid.start());
    await crid.stop();
    return elapsed;
  });
  fill(crid.node.storageRoot);
  const figures = { start: [] as number[], crash: [] as number[], first: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    figures.start.push(await time(() => crid.start()));
    figures.first.push(await time(() => list(crid)));
    await crid.kill9();
    figures.crash.push(await time(() => crid.start()));
    await list(crid);
    if (round < rounds - 1) await crid.stop();
  }
  const again = await samples(50, 1, () => time(() => list(crid)));
  const before = cpuTime(crid.pid);
  for (let call = 0; call < CPU_CALLS; call++) await list(crid);
  const cpu = (cpuTime(crid.pid) - before) / CPU_CALLS;
  const { images: [image] } = await crid.client.image.listImages();
  const status = await samples(
    50,
    1,
    () => time(() => crid.client.image.imageStatus({ image: { image: image!.id } })),
  );
  const usage = await samples(5, 1, () => time(() => crid.client.image.imageFsInfo()));
  printFigures(`A node with ${images} images and ${images * layers} layers`, [
    {
      what: "start to serving",
      unit: "ms",
      values: figures.start,
      floor: { what: "the same without images", values: empty },
    },
    { what: "kill -9 to serving", unit: "ms", values: figures.crash },
    { what: "ListImages, the first", unit: "ms", values: figures.first },
    { what: "ListImages", unit: "ms", values: again, budget: 5 },
    { what: "ListImages: CPU time of crid", unit: "ms", values: [cpu] },
    { what: "ImageStatus", unit: "ms", values: status },
    { what: "ImageFsInfo", unit: "ms", values: usage },
    { what: "resident memory", unit: "MB", values: [residentMemory(crid.pid)] },
  ]);
}

await bench();
