import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { mountsBelow, umount, UmountFlag } from "../../../src/linux/mod.ts";
import {
  checkStore,
  exportLayer,
  openStore,
  repairStore,
  type Store,
  type StoreOptions,
  wipeStore,
} from "../../../src/storage/mod.ts";
import { FixtureStore, putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const NAME = "localhost/app:1";
const LAYERS = [
  tarOf(entry("etc/", ""), entry("etc/base", "from the base")),
  tarOf(entry("etc/top", "from the top")),
];
/** Where a thousand small files cost nothing. */
const MEMORY = "/dev/shm";

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => Deno.removeSync(path),
  empty: (path) => Deno.writeTextFileSync(path, ""),
  truncated: (path) => {
    const { size } = lstatSync(path);
    Deno.truncateSync(path, size >> 1);
  },
  garbage: (path) => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(200))),
};

let sound: FixtureStore;
let files: readonly string[];

/** Files and links of a store that has an image and a container, but for the container's own. */
function filesOf(directory: string, prefix = ""): string[] {
  return readdirSync(join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? filesOf(directory, path) : [path];
  });
}

/** A copy of the sound store. */
async function copy(): Promise<StoreOptions> {
  const root = await Deno.makeTempDir({ dir: MEMORY, prefix: "crid-damage-" });
  const { success } = await new Deno.Command("cp", {
    args: ["-a", `${sound.root}/.`, root],
  }).output();
  assert.ok(success);
  return { ...sound.options, graphRoot: join(root, "graph"), runRoot: join(root, "run") };
}

async function remove({ graphRoot }: StoreOptions): Promise<void> {
  const root = join(graphRoot, "..");
  for (const path of mountsBelow(root)) umount(path, UmountFlag.DETACH);
  await Deno.remove(root, { recursive: true });
}

/** Repairs as the daemon does at a start after a crash. */
async function repaired(options: StoreOptions): Promise<Store> {
  const store = await openStore(options);
  try {
    const damage = await checkStore(store, { depth: "full" });
    const left = await repairStore(store, damage, "remove containers");
    assert.deepEqual(left, []);
    await store.collectGarbage();
    return store;
  } catch (error) {
    // Records that cannot be read cannot be repaired; the message says what can be done.
    assert.ok(isCode(error, "internal") && /wipe the store/.test(error.message), String(error));
    await Promise.resolve(store[Symbol.asyncDispose]()).catch(() => {});
    await wipeStore(options);
    return await openStore(options);
  }
}

/** The image can be had again, and is whole. */
async function works(store: Store): Promise<void> {
  const { image, layerIds } = await putImage(store, NAME, LAYERS);
  const path = await store.mountImage(image.id);
  assert.equal(Deno.readTextFileSync(join(path, "etc/base")), "from the base");
  assert.equal(Deno.readTextFileSync(join(path, "etc/top")), "from the top");
  await store.unmountImage(image.id);
  for (const id of layerIds) await Array.fromAsync(exportLayer(store, id));
  const id = "b".repeat(64);
  await store.createContainer({ id, names: ["b"], image: image.id, metadata: "{}" });
  const rootfs = await store.mountContainer(id);
  assert.equal(Deno.readTextFileSync(join(rootfs, "etc/base")), "from the base");
  await store.deleteContainer(id);
  assert.deepEqual(await checkStore(store, { depth: "full" }), []);
}

describe("a damaged store", () => {
  before(async () => {
    sound = await FixtureStore.create({}, MEMORY);
    const { image } = await putImage(sound.store, NAME, LAYERS);
    const id = "a".repeat(64);
    await sound.store.createContainer({ id, names: ["a"], image: image.id, metadata: "{}" });
    await sound.store.mountContainer(id);
    await sound.store.unmountContainer(id);
    await sound.store[Symbol.asyncDispose]();
    files = [...filesOf(sound.root)].filter((path) => /^(graph|run)\//.test(path));
  });
  after(() => sound[Symbol.asyncDispose]());

  for (const [name, damage] of Object.entries(DAMAGES)) {
    it(`is repaired, whichever of its files is ${name}`, async () => {
      assert.ok(files.length > 20, files.join(" "));
      for (const file of files) {
        const options = await copy();
        try {
          const path = join(options.graphRoot, "..", file);
          const isLink = lstatSync(path).isSymbolicLink();
          if (isLink && name !== "missing") {
            Deno.removeSync(path);
            if (name === "garbage") Deno.symlinkSync("../nowhere/diff", path);
            else Deno.mkdirSync(path);
          } else damage(path);
          const store = await repaired(options);
          await works(store);
          await store[Symbol.asyncDispose]();
        } catch (error) {
          throw new Error(`${file} is ${name}`, { cause: error });
        } finally {
          await remove(options);
        }
      }
    });
  }

  it("never hides what is sound: a listing tells of all other images", async () => {
    const options = await copy();
    try {
      const store = await openStore(options);
      const other = await putImage(store, "localhost/other:1", [LAYERS[1]!]);
      const [image] = (await store.images()).filter(({ names }) => names.includes(NAME));
      for (const file of readdirSync(join(options.graphRoot, "overlay-images", image!.id))) {
        Deno.removeSync(join(options.graphRoot, "overlay-images", image!.id, file));
      }
      const damage = await checkStore(store, { depth: "quick" });
      assert.deepEqual(damage.map(({ kind, id }) => [kind, id]), [["image", image!.id]]);
      assert.deepEqual(await repairStore(store, damage, "remove containers"), []);
      assert.deepEqual((await store.images()).map(({ id }) => id), [other.image.id]);
      assert.ok(!existsSync(join(options.graphRoot, "overlay-images", image!.id)));
      await store[Symbol.asyncDispose]();
    } finally {
      await remove(options);
    }
  });
});
