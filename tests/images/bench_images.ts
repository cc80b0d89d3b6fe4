/**
 * The images that pulls are measured with.
 *
 * @module
 */
import type { CatalogEntry } from "./catalog.ts";
import { nginxLayers } from "./catalog.ts";
import { dir, file, hardlink, symlink } from "./entries.ts";
import { type BuiltImage, image } from "./image.ts";
import { generatedLayer, type Layer, layer } from "./layer.ts";
import type { TarEntry } from "./tar.ts";

/** The large image: about 1 GB in 68,000 files. */
export const LARGE = { layers: 12, files: 68_000, bytes: 1_000_000_000 } as const;

/** 5.6 MB in three layers, and 1 GB in twelve. */
export const BENCH_IMAGES: readonly CatalogEntry[] = [
  { repository: "crid/bench-small", tags: ["latest"], build: smallImage },
  { repository: "crid/bench-large", tags: ["latest"], build: largeImage },
];

/** nginx, and noise for what its Debian build is smaller than the image that was measured before. */
async function smallImage(): Promise<BuiltImage> {
  const random = randomNumbers(1);
  const noise = new Uint8Array(900_000).map(() => Math.floor(random() * 256));
  return image([...await nginxLayers(), await layer([file("noise", noise)])], {
    Cmd: ["nginx", "-g", "daemon off;"],
  });
}

async function largeImage(): Promise<BuiltImage> {
  const layers: Layer[] = [];
  for (let number = 0; number < LARGE.layers; number++) {
    const recipe = `bench-large 2 ${JSON.stringify(LARGE)} ${number}`;
    layers.push(await generatedLayer(recipe, () => largeLayerEntries(number)));
  }
  return image(layers, { Cmd: ["sh"] });
}

/**
 * Something like a language's package tree: most files small, a few large, some links. The layers
 * differ in size as real ones do, the first being the largest.
 */
function* largeLayerEntries(layerNumber: number): Generator<TarEntry> {
  const random = randomNumbers(0xc41d + layerNumber);
  const pool = textPool(random);
  const share = (LARGE.layers - layerNumber) / (LARGE.layers * (LARGE.layers + 1) / 2);
  const files = Math.round(LARGE.files * share);
  const bytes = LARGE.bytes * share;
  const weights = Array.from({ length: files }, () => Math.exp(3 * (random() + random() - 1)) ** 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const top = `opt/layer-${layerNumber}`;
  yield dir("opt");
  yield dir(top);
  let directory = top;
  let previous = "";
  for (let number = 0; number < files; number++) {
    if (number % 25 === 0) {
      directory = `${top}/package-${number / 25}`;
      yield dir(directory);
      previous = "";
    }
    const path = `${directory}/file-${number}`;
    if (previous !== "" && number % 50 === 7) yield hardlink(path, previous);
    else if (previous !== "" && number % 50 === 13) yield symlink(path, `/${previous}`);
    else {
      const size = Math.round(bytes * weights[number]! / total);
      yield file(path, slice(pool, Math.floor(random() * pool.length), size));
      previous = path;
    }
  }
}

/** `size` bytes from the endlessly repeated `pool`. */
function slice(pool: Uint8Array, start: number, size: number): Uint8Array {
  if (start + size <= pool.length) return pool.subarray(start, start + size);
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const part = pool.subarray((start + done) % pool.length).subarray(0, size - done);
    bytes.set(part, done);
    done += part.length;
  }
  return bytes;
}

/**
 * 8 MiB of words and bytes that gzip shrinks to some 40 %, as it does programs. The pool is far longer
 * than gzip's window, so that repeats of it cost what new data costs.
 */
function textPool(random: () => number): Uint8Array {
  const words = Array.from({ length: 4096 }, () => {
    const word = new Uint8Array(3 + Math.floor(random() * 12));
    return word.map(() => Math.floor(random() * 256));
  });
  const pool = new Uint8Array(8 * 1024 * 1024);
  for (let offset = 0; offset < pool.length;) {
    const word = words[Math.floor(random() * random() * words.length)]!;
    pool.set(word.subarray(0, pool.length - offset), offset);
    offset += word.length;
  }
  return pool;
}

/** Numbers in [0, 1) that are the same on every machine (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
