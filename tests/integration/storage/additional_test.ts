import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { mount, MountFlag, mountsBelow, umount, UmountFlag } from "../../../src/linux/mod.ts";
import { checkStore, exportLayer, openStore, wipeStore } from "../../../src/storage/mod.ts";
import { FixtureStore, type PutImage, putImage, putLayer, sha256 } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const NAME = "docker.io/library/demo:v1";
const BASE = tarOf(entry("etc/", ""), entry("etc/base", "from the base"));
const TOP = tarOf(entry("etc/top", "from the top"));
const containerId = (digit: string) => digit.repeat(64);

describe("an additional image store", () => {
  let source: FixtureStore;
  let put: PutImage;
  let fixture: FixtureStore;
  beforeEach(async () => {
    source = await FixtureStore.create();
    put = await putImage(source.store, NAME, [BASE, TOP]);
    await source.store[Symbol.asyncDispose]();
    fixture = await FixtureStore.create({ options: [`overlay.imagestore=${source.graph()}`] });
  });
  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  });

  it("shows its images, which podman lists too, and nothing can remove", async () => {
    const [image] = await fixture.store.images();
    assert.equal(image!.id, put.image.id);
    assert.equal(image!.readOnly, true);
    assert.equal((await fixture.store.image(NAME))?.id, put.image.id);
    assert.equal((await fixture.store.image(`demo@${put.manifestDigest}`)) === undefined, true);
    const config = await fixture.store.imageData(image!.id, `sha256:${image!.id}`);
    assert.equal(sha256(config), `sha256:${image!.id}`);
    const listed = await fixture.podman(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert.equal(listed.trim(), NAME);
    assert.ok(await fixture.store.imageSize(image!.id) > BASE.length + TOP.length);
    await assert.rejects(
      fixture.store.deleteImage(image!.id),
      (error) => isCode(error, "failed_precondition") && error.message.includes(source.graph()),
    );
    const pieces = await Array.fromAsync(exportLayer(fixture.store, put.layerIds[1]!));
    assert.equal(pieces.reduce((sum, piece) => sum + piece.length, 0), TOP.length);
    assert.equal((await fixture.store.imageFsUsage()).bytes, 0, "it takes nothing of this store");
  });

  it("gives containers their lower layers, to crid and podman", async () => {
    const id = containerId("a");
    await fixture.store.createContainer({
      id,
      names: ["a"],
      image: put.image.id,
      metadata: "{}",
    });
    const rootfs = await fixture.store.mountContainer(id);
    assert.equal(Deno.readTextFileSync(join(rootfs, "etc/base")), "from the base");
    Deno.writeTextFileSync(join(rootfs, "etc/base"), "changed");
    assert.deepEqual(await checkStore(fixture.store, { depth: "full" }), []);
    await fixture.store.deleteContainer(id);
    const container = await fixture.podman(["create", NAME, "/bin/true"]);
    const path = await fixture.podman(["mount", container.trim()]);
    assert.equal(Deno.readTextFileSync(join(path.trim(), "etc/top")), "from the top");
    await fixture.podman(["unmount", container.trim()]);
    await fixture.podman(["rm", container.trim()]);
  });

  it("is mounted as an image volume without being touched, also on a read-only disk", async () => {
    const graph = source.graph();
    for (const name of ["overlay-layers/layers.lock", "overlay-images/images.lock"]) {
      Deno.removeSync(join(graph, name));
    }
    mount(graph, graph, "", MountFlag.BIND);
    mount("", graph, "", MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY);
    try {
      const path = await fixture.store.mountImage(put.image.id);
      assert.ok(path.startsWith(fixture.options.runRoot), path);
      assert.equal(Deno.readTextFileSync(join(path, "etc/top")), "from the top");
      await assert.rejects(wipeStore(fixture.options), /is mounted/);
      assert.equal(await fixture.store.mountImage(put.image.id), path);
      await fixture.store.unmountImage(put.image.id);
      assert.equal(Deno.readTextFileSync(join(path, "etc/top")), "from the top");
      await fixture.store.unmountImage(put.image.id);
      assert.throws(() => Deno.statSync(join(path, "etc/top")), Deno.errors.NotFound);
      assert.deepEqual(mountsBelow(fixture.options.runRoot), []);
    } finally {
      umount(graph, UmountFlag.DETACH);
    }
  });

  it("lets its images be named here, and shows them again when the name is gone", async () => {
    await fixture.store.setImageNames(put.image.id, ["localhost/mine:1"]);
    const named = (await fixture.store.image("localhost/mine:1"))!;
    assert.equal(named.id, put.image.id);
    assert.equal(named.readOnly, undefined);
    assert.equal((await fixture.store.images()).length, 1);
    await fixture.podman(["image", "exists", "localhost/mine:1"]);
    await fixture.store.deleteImage(put.image.id);
    assert.deepEqual((await fixture.store.image(put.image.id))?.names, [NAME]);
    assert.ok(Deno.statSync(source.graph("overlay", put.layerIds[1]!, "diff")).isDirectory);
  });

  it("shares its layers with images that are pulled here, and keeps them when those go", async () => {
    const own = tarOf(entry("etc/own", "of this store"));
    const { image, layerIds } = await putImage(fixture.store, "localhost/own:1", [BASE, own]);
    assert.equal(layerIds[0], put.layerIds[0]);
    assert.deepEqual(
      fixture.json("overlay-layers", "layers.json").map(({ id }: { id: string }) => id),
      [layerIds[1]],
    );
    const path = await fixture.store.mountImage(image.id);
    assert.equal(Deno.readTextFileSync(join(path, "etc/base")), "from the base");
    assert.equal(Deno.readTextFileSync(join(path, "etc/own")), "of this store");
    assert.equal(
      (await fixture.podman(["images", "--format", "{{.Size}}", "localhost/own:1"])).length > 1,
      true,
    );
    await fixture.store.collectGarbage();
    await fixture.store.deleteImage(image.id);
    assert.deepEqual(fixture.json("overlay-layers", "layers.json"), []);
    assert.equal((await fixture.store.images()).length, 1);
  });

  it("does not take the store with it when it is damaged or away", async () => {
    const { layerIds } = await putImage(fixture.store, "localhost/own:1", [TOP]);
    Deno.writeTextFileSync(source.graph("overlay-images", "images.json"), "[{");
    assert.deepEqual((await fixture.store.images()).map(({ readOnly }) => readOnly), [undefined]);
    const away = await openStore({
      ...fixture.options,
      options: ["overlay.imagestore=/nonexistent", ".additionalimagestore=/dev/null"],
    });
    assert.equal((await away.images()).length, 1);
    assert.ok(await away.layer(layerIds[0]!));
    await putLayer(away, undefined, sha256(BASE), BASE);
    await away[Symbol.asyncDispose]();
  });

  it("must be named by an absolute path", async () => {
    await assert.rejects(
      openStore({ ...fixture.options, options: ["overlay.imagestore=relative"] }),
      (error) => isCode(error, "invalid_argument") && /absolute/.test(error.message),
    );
  });
});

describe("a store that is given a separate image store later", () => {
  it("keeps the images that it had, and they can be removed", async () => {
    await using fixture = await FixtureStore.create();
    const before = await putImage(fixture.store, NAME, [BASE]);
    await fixture.store[Symbol.asyncDispose]();
    const imageStore = join(fixture.root, "images");
    const store = await openStore({ ...fixture.options, imageStore });
    try {
      const after = await putImage(store, "localhost/new:1", [BASE, TOP]);
      assert.deepEqual(
        new Set((await store.images()).map(({ id }) => id)),
        new Set([before.image.id, after.image.id]),
      );
      await store.collectGarbage();
      const path = await store.mountImage(after.image.id);
      assert.equal(Deno.readTextFileSync(join(path, "etc/base")), "from the base");
      assert.equal(Deno.readTextFileSync(join(path, "etc/top")), "from the top");
      await store.deleteImage(after.image.id);
      await store.deleteImage(before.image.id);
      assert.deepEqual(await store.images(), []);
      assert.deepEqual(fixture.json("overlay-layers", "layers.json"), []);
      await store.collectGarbage();
      assert.deepEqual(await checkStore(store, { depth: "full" }), []);
    } finally {
      await store[Symbol.asyncDispose]();
    }
  });
});
