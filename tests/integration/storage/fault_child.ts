/**
 * Pulls and removes an image and makes a container of it, on a disk that fails at each step in turn.
 * Argument: how it fails. Prints how many steps there were, about.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkStore, openStore, type Store } from "../../../src/storage/mod.ts";
import { type DiskFailure, faultyDisk } from "./faulty_disk.ts";
import { FixtureStore, type PutImage, putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const NAME = "localhost/app:1";
const OTHER = "localhost/other:1";
const BASE = tarOf(entry("etc/", ""), entry("etc/base", "x".repeat(5000)));
const TOP = tarOf(entry("etc/top", "y"), entry(".wh.gone", ""));
/** Every so many steps; all of them in a long run. */
const STRIDE = Deno.env.get("CRID_TEST_LONG") === undefined ? 4 : 1;
/** podman looks at the store after every step whose number this divides. */
const PODMAN_EVERY = 12;

/** What is done on the failing disk, in the order of a node's life. */
const SCENES: readonly ((store: Store, image: () => Promise<PutImage>) => Promise<void>)[] = [
  async (_, image) => void await image(),
  async (store, image) => {
    const id = "a".repeat(64);
    const { image: { id: imageId } } = await image();
    await store.createContainer({ id, names: ["a"], image: imageId, metadata: "{}" });
    await store.mountContainer(id);
    await store.setContainerMetadata(id, '{"state":"running"}');
    await store.deleteContainer(id);
  },
  async (store, image) => {
    const { image: { id } } = await image();
    await store.setImageNames(id, [NAME, "localhost/renamed:1"]);
    await store.deleteImage(id);
  },
];

const how = Deno.args[0] as DiskFailure;
const disk = faultyDisk();
await using fixture = await FixtureStore.create();
// What is not touched must be there all the time.
const other = await putImage(fixture.store, OTHER, [BASE, tarOf(entry("other", "z"))]);
let steps = 0;
for (const [number, scene] of SCENES.entries()) {
  for (let step = 1;; step += STRIDE) {
    const failed = await play(scene, number > 0, step);
    if (!failed) break;
    steps += STRIDE;
    if (steps % PODMAN_EVERY === 0) await judge();
    await judgeStore(`scene ${number}, step ${step}`);
  }
}
console.log(steps);

/** Whether the disk has failed on the way. */
async function play(
  scene: typeof SCENES[number],
  prepared: boolean,
  step: number,
): Promise<boolean> {
  const store = await openStore(fixture.options);
  const image = () => putImage(store, NAME, [BASE, TOP]);
  if (prepared) await image();
  disk.arm(fixture.root, step, how);
  let failure: unknown;
  try {
    await scene(store, image);
  } catch (error) {
    failure = error;
  }
  const reached = disk.disarm() >= step;
  // What cannot be deleted is only logged: a failing disk need not fail the call.
  if (!reached && failure !== undefined) throw failure;
  if (how === "full") {
    if (failure !== undefined) assert.match(String(failure), /ENOSPC|[Nn]o space/);
    assert.deepEqual(temporary(), [], `left by a full disk at step ${step}: ${failure}`);
    // With room again the same store goes on.
    const { image: { id } } = await image();
    for (const container of await store.containers()) await store.deleteContainer(container.id);
    // Who tries again and again on a full disk must not fill it with what no record tells of.
    const left = readdirSync(fixture.graph("overlay")).filter(isId).sort();
    const known = fixture.json("overlay-layers/layers.json").map(({ id }: { id: string }) => id);
    assert.deepEqual(left, known.sort(), `left by a full disk at step ${step}: ${failure}`);
    assert.deepEqual(readdirSync(fixture.graph("overlay-containers")).filter(isId), []);
    await store.deleteImage(id);
  }
  return reached;
}

/** As after a restart of the daemon: nothing is lost, nothing is left, and everything works. */
async function judgeStore(where: string): Promise<void> {
  const store = await openStore(fixture.options);
  for (const { id } of await store.containers()) await store.deleteContainer(id);
  await store.collectGarbage();
  assert.deepEqual(await checkStore(store, { depth: "full" }), [], where);
  assert.ok(await store.image(other.image.id), `${where}: the other image is lost`);
  const path = await store.mountImage(other.image.id);
  assert.ok(existsSync(join(path, "etc/base")), where);
  await store.unmountImage(other.image.id);
  assert.deepEqual(temporary(), [], where);
  const image = await store.image(NAME) ?? await store.image("localhost/renamed:1");
  if (image !== undefined) await store.deleteImage(image.id);
  // Layers without an image stay for a day, for a pull that goes on; here a pull takes them up.
  const again = await putImage(store, NAME, [BASE, TOP]);
  await store.deleteImage(again.image.id);
  await store.collectGarbage();
  assert.deepEqual(await directories(), [...other.layerIds].sort(), where);
}

async function judge(): Promise<void> {
  const ids = (await fixture.podman(["images", "-q", "--no-trunc"])).trim().split("\n");
  for (const id of new Set(ids)) await fixture.podman(["inspect", id]);
}

function temporary(): string[] {
  return ["overlay/tempdirs", "overlay-layers/tmp"].flatMap((name) =>
    existsSync(fixture.graph(name)) ? readdirSync(fixture.graph(name)) : []
  );
}

/** The layers that have a directory; each must have its record, its short name and its tar-split data. */
async function directories(): Promise<string[]> {
  const names = readdirSync(fixture.graph("overlay")).filter(isId).sort();
  const records = fixture.json("overlay-layers/layers.json").map(({ id }: { id: string }) => id);
  assert.deepEqual(records.sort(), names);
  assert.equal(readdirSync(fixture.graph("overlay/l")).length, names.length);
  const splits = readdirSync(fixture.graph("overlay-layers")).filter((name) => /gz$/.test(name));
  assert.deepEqual(splits.sort(), names.map((name) => `${name}.tar-split.gz`));
  assert.deepEqual(
    readdirSync(fixture.graph("overlay-images")).filter(isId),
    [other.image.id],
  );
  assert.deepEqual(readdirSync(fixture.graph("overlay-containers")).filter(isId), []);
  return await Promise.resolve(names);
}

function isId(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
