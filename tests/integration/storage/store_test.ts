import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { isMountPoint, lgetxattr, mountsBelow, OfdLock } from "../../../src/linux/mod.ts";
import { releaseAbandonedLocks } from "../../../src/storage/mod.ts";
import { FixtureStore, putImage, putLayer, sha256 } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const NAME = "docker.io/library/demo:v1";
const BASE = tarOf(entry("etc/", ""), entry("etc/base", "from the base"));
const TOP = tarOf(entry("etc/top", "from the top"));
const containerId = (digit: string) => digit.repeat(64);

describe("a store", () => {
  let fixture: FixtureStore;
  beforeEach(async () => {
    fixture = await FixtureStore.create();
  });
  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  it("gives layers the ids, files and records of containers/storage", async () => {
    const { layerIds } = await putImage(fixture.store, NAME, [BASE, TOP]);
    const hex = (tar: Uint8Array) => sha256(tar).slice("sha256:".length);
    assert.equal(layerIds[0], hex(BASE));
    assert.equal(layerIds[1], sha256(`${hex(BASE)}+${hex(TOP)}`).slice("sha256:".length));
    const [base, top] = fixture.json("overlay-layers", "layers.json");
    assert.equal(base.parent, undefined);
    assert.equal(top.parent, layerIds[0]);
    assert.equal(base["diff-digest"], sha256(BASE));
    assert.equal(base["diff-size"], BASE.length);
    assert.equal(base["compressed-diff-digest"], sha256(gzipSync(BASE)));
    assert.equal(base.compression, 2);
    assert.deepEqual(base.uidset, [0]);
    const link = Deno.readTextFileSync(fixture.graph("overlay", layerIds[0]!, "link"));
    assert.match(link, /^[A-Z2-7]{26}$/);
    assert.equal(
      Deno.readLinkSync(fixture.graph("overlay/l", link)),
      `../${layerIds[0]}/diff`,
    );
    const lower = Deno.readTextFileSync(fixture.graph("overlay", layerIds[1]!, "lower"));
    assert.equal(lower, `l/${link}`);
    const mode = (...path: string[]) =>
      Deno.statSync(fixture.graph("overlay", ...path)).mode! & 0o7777;
    assert.equal(mode(layerIds[0]!), 0o700);
    assert.equal(mode(layerIds[0]!, "diff"), 0o555);
    assert.equal(mode(layerIds[1]!, "diff"), 0o555);
    assert.ok(Deno.statSync(fixture.graph("overlay", layerIds[0]!, "empty")).isDirectory);
    const split = fixture.graph("overlay-layers", `${layerIds[1]}.tar-split.gz`);
    assert.equal(Deno.statSync(split).mode! & 0o7777, 0o600);
    assert.deepEqual([...Deno.readDirSync(fixture.graph("overlay/tempdirs"))], []);
  });

  it("finds an image by id, prefix of the id, name, and name with digest", async () => {
    const { image, manifestDigest } = await putImage(fixture.store, NAME, [BASE]);
    const found = async (what: string) => (await fixture.store.image(what))?.id;
    assert.equal(await found(image.id), image.id);
    assert.equal(await found(image.id.slice(0, 12)), image.id);
    assert.equal(await found(NAME), image.id);
    assert.equal(await found(`docker.io/library/demo@${manifestDigest}`), image.id);
    assert.equal(await found(`docker.io/library/other@${manifestDigest}`), undefined);
    assert.equal(await found(image.id.slice(0, 2)), undefined);
    assert.equal(await found("docker.io/library/demo:v2"), undefined);
    const config = await fixture.store.imageData(image.id, `sha256:${image.id}`);
    assert.equal(sha256(config), `sha256:${image.id}`);
    await assert.rejects(
      fixture.store.imageData(image.id, "nothing"),
      (error) => isCode(error, "not_found"),
    );
  });

  it("gives a name to one image only, and remembers the names it had", async () => {
    const first = await putImage(fixture.store, NAME, [BASE]);
    const second = await putImage(fixture.store, NAME, [TOP]);
    assert.deepEqual((await fixture.store.image(first.image.id))?.names, []);
    assert.deepEqual((await fixture.store.image(first.image.id))?.namesHistory, [NAME]);
    assert.equal((await fixture.store.image(NAME))?.id, second.image.id);
  });

  it("keeps the signatures of an image, and their lengths, when it is stored again without", async () => {
    const { image, manifestDigest } = await putImage(fixture.store, NAME, [BASE]);
    const key = `signature-${manifestDigest.slice("sha256:".length)}`;
    await fixture.store.createImage({
      ...image,
      digest: manifestDigest,
      bigData: new Map([[key, new Uint8Array(7)]]),
      metadata: JSON.stringify({ "signatures-sizes": { [manifestDigest]: [3, 4] } }),
    });
    await putImage(fixture.store, NAME, [BASE]);
    assert.equal((await fixture.store.imageData(image.id, key)).length, 7);
    const [{ metadata }] = fixture.json("overlay-images", "images.json");
    assert.deepEqual(JSON.parse(metadata), { "signatures-sizes": { [manifestDigest]: [3, 4] } });
  });

  it("refuses a layer whose content is not what the config says, and leaves nothing of it", async () => {
    await assert.rejects(
      putLayer(fixture.store, undefined, sha256(TOP), gzipSync(BASE)),
      (error) => isCode(error, "invalid_argument"),
    );
    assert.deepEqual(leftovers(fixture), []);
  });

  it("uses the layer that someone else has published meanwhile", async () => {
    await putLayer(fixture.store, undefined, sha256(BASE), gzipSync(BASE));
    const before = Deno.statSync(fixture.graph("overlay", sha256(BASE).slice(7))).ino;
    await putLayer(fixture.store, undefined, sha256(BASE), gzipSync(BASE));
    assert.equal(Deno.statSync(fixture.graph("overlay", sha256(BASE).slice(7))).ino, before);
    assert.equal(fixture.json("overlay-layers", "layers.json").length, 1);
  });

  it("replaces files that have lost their record, and their short name", async () => {
    await putLayer(fixture.store, undefined, sha256(BASE), gzipSync(BASE));
    Deno.writeTextFileSync(fixture.graph("overlay-layers", "layers.json"), "[]");
    await putLayer(fixture.store, undefined, sha256(BASE), gzipSync(BASE));
    const link = Deno.readTextFileSync(fixture.graph("overlay", sha256(BASE).slice(7), "link"));
    assert.deepEqual(
      Array.from(Deno.readDirSync(fixture.graph("overlay", "l")), ({ name }) => name),
      [link],
    );
  });

  it("makes, mounts, unmounts and deletes a container without leaving a trace", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE, TOP]);
    const id = containerId("a");
    const made = await fixture.store.createContainer({
      id,
      names: ["k8s_a"],
      image: image.id,
      metadata: '{"pod-id":"p"}',
    });
    assert.deepEqual(await fixture.store.container(id), made);
    const [record] = fixture.json("overlay-containers", "volatile-containers.json");
    assert.deepEqual(record.flags, { MountLabel: "", ProcessLabel: "", Volatile: true });
    const [layer] = fixture.json("overlay-layers", "volatile-layers.json");
    assert.deepEqual(layer.names, ["k8s_a-layer"]);

    const rootfs = await fixture.store.mountContainer(id);
    assert.equal(await fixture.store.mountContainer(id), rootfs);
    assert.equal(Deno.readTextFileSync(join(rootfs, "etc/base")), "from the base");
    Deno.writeTextFileSync(join(rootfs, "etc/new"), "written");
    const upper = (await fixture.store.containerUpperDir(id))!;
    assert.equal(Deno.readTextFileSync(join(upper, "etc/new")), "written");
    const counts = JSON.parse(
      Deno.readTextFileSync(join(fixture.options.runRoot, "overlay-layers/mountpoints.json")),
    );
    assert.deepEqual(counts, [{ id: made.layer, path: rootfs, count: 2 }]);
    assert.ok((await fixture.store.containerFsUsage()).bytes >= "written".length);

    await fixture.store.unmountContainer(id);
    assert.ok(!isMountPoint(rootfs));
    await fixture.store.unmountContainer(id);
    await fixture.store.mountContainer(id);
    assert.equal(Deno.readTextFileSync(join(rootfs, "etc/new")), "written");
    await fixture.store.deleteContainer(id);
    await fixture.store.deleteContainer(id);
    assert.deepEqual(await fixture.store.containers(), []);
    await fixture.store.deleteImage(image.id);
    assert.deepEqual(leftovers(fixture), []);
    assert.deepEqual(mountsBelow(fixture.root), [fixture.graph("overlay")]);
  });

  it("gives a container without image an empty root file system", async () => {
    const id = containerId("b");
    await fixture.store.createContainer({ id, names: ["pod"], image: undefined, metadata: "{}" });
    const rootfs = await fixture.store.mountContainer(id);
    assert.deepEqual([...Deno.readDirSync(rootfs)], []);
    Deno.mkdirSync(join(rootfs, "dev"));
    await fixture.store.deleteContainer(id);
    assert.deepEqual(leftovers(fixture), []);
  });

  it("refuses a taken name or id, an unknown image, and to delete an image in use", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE]);
    const container = { names: ["one"], image: image.id, metadata: "{}" };
    await fixture.store.createContainer({ id: containerId("1"), ...container });
    const create = (id: string, names: string[], imageId: string) =>
      fixture.store.createContainer({ ...container, id, names, image: imageId });
    const code = (expected: "already_exists" | "not_found" | "failed_precondition") =>
    (
      error: unknown,
    ) => isCode(error, expected);
    await assert.rejects(create(containerId("2"), ["one"], image.id), code("already_exists"));
    await assert.rejects(create(containerId("1"), ["two"], image.id), code("already_exists"));
    await assert.rejects(create(containerId("3"), ["three"], "f".repeat(64)), code("not_found"));
    await assert.rejects(fixture.store.deleteImage(image.id), (error) => {
      assert.match(String(error), new RegExp(`container ${containerId("1")} \\(one\\)`));
      return code("failed_precondition")(error);
    });
  });

  it("keeps layers that another image stands on", async () => {
    const both = await putImage(fixture.store, NAME, [BASE, TOP]);
    const base = await putImage(fixture.store, "docker.io/library/base:v1", [BASE]);
    await fixture.store.deleteImage(both.image.id);
    assert.ok(await fixture.store.layer(base.image.layer!));
    assert.equal(await fixture.store.layer(both.image.layer!), undefined);
    await fixture.store.deleteImage(base.image.id);
    assert.deepEqual(leftovers(fixture), []);
  });

  it("mounts more layers than mount(2) has room for", async () => {
    const tars = Array.from({ length: 130 }, (_, i) => tarOf(entry(`file-${i}`, String(i))));
    const { image } = await putImage(fixture.store, NAME, tars);
    const id = containerId("d");
    await fixture.store.createContainer({ id, names: ["deep"], image: image.id, metadata: "{}" });
    const rootfs = await fixture.store.mountContainer(id);
    assert.equal([...Deno.readDirSync(rootfs)].length, 130);
    Deno.writeTextFileSync(join(rootfs, "file-0"), "changed");
    assert.equal(Deno.readTextFileSync(join(rootfs, "file-129")), "129");
  });

  it("applies the mount options of the store's configuration", async () => {
    await using nodev = await FixtureStore.create({ options: ["overlay.mountopt=nodev,noatime"] });
    const id = containerId("e");
    await nodev.store.createContainer({ id, names: ["e"], image: undefined, metadata: "{}" });
    const rootfs = await nodev.store.mountContainer(id);
    const line = Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
      .find((line) => line.includes(` ${rootfs} `))!;
    assert.match(line, / rw,nodev,noatime /);
    assert.match(line, /volatile/);
  });

  it("keeps image layers in the image store when there is one", async () => {
    const imageStore = await Deno.makeTempDir({ prefix: "crid-imagestore-" });
    try {
      await using split = await FixtureStore.create({ imageStore });
      const { image, layerIds } = await putImage(split.store, NAME, [BASE, TOP]);
      assert.ok(Deno.statSync(join(imageStore, "overlay", layerIds[1]!, "diff")).isDirectory);
      const id = containerId("f");
      await split.store.createContainer({ id, names: ["f"], image: image.id, metadata: "{}" });
      const rootfs = await split.store.mountContainer(id);
      assert.equal(Deno.readTextFileSync(join(rootfs, "etc/base")), "from the base");
      await split.store.deleteContainer(id);
      await split.store.deleteImage(image.id);
      assert.equal(await split.store.layer(layerIds[0]!), undefined);
      await split.store[Symbol.asyncDispose]();
    } finally {
      assert.deepEqual(mountsBelow(imageStore), []);
      await Deno.remove(imageStore, { recursive: true });
    }
  });

  it("unmounts an image with its last user, and deletes one that is mounted", async () => {
    const { image, layerIds } = await putImage(fixture.store, NAME, [BASE, TOP]);
    const path = join(fixture.options.runRoot, "overlay-layers/mountpoints.json");
    const merged = fixture.graph("overlay", layerIds[1]!, "merged");
    // What a reboot with a run root on a disk leaves.
    Deno.writeTextFileSync(path, JSON.stringify([{ id: layerIds[1], path: merged, count: 5 }]));
    for (let user = 0; user < 2; user++) await fixture.store.mountImage(image.id);
    await fixture.store.unmountImage(image.id);
    assert.ok(isMountPoint(merged));
    await fixture.store.unmountImage(image.id);
    assert.ok(!isMountPoint(merged));
    await fixture.store.unmountImage(image.id);
    await fixture.store.mountImage(image.id);
    await fixture.store.deleteImage(image.id);
    assert.deepEqual(mountsBelow(fixture.root), [fixture.graph("overlay")]);
    assert.deepEqual(leftovers(fixture), []);
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)), []);
  });

  it("keeps members that it does not know, and the order of what it does", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE]);
    const path = fixture.graph("overlay-images", "images.json");
    const [record] = fixture.json("overlay-images", "images.json");
    const extended = [{ ...record, future: { nested: [1, 2] } }];
    Deno.writeTextFileSync(path, JSON.stringify(extended));
    await fixture.store.setImageNames(image.id, ["localhost/new:1"]);
    const [changed] = fixture.json("overlay-images", "images.json");
    assert.deepEqual(changed.future, { nested: [1, 2] });
    assert.deepEqual(changed.names, ["localhost/new:1"]);
    assert.deepEqual(changed["names-history"], ["localhost/new:1", NAME]);
  });

  it("deletes a layer that its writer left incomplete", async () => {
    const { layerIds } = await putImage(fixture.store, NAME, [BASE, TOP]);
    const path = fixture.graph("overlay-layers", "layers.json");
    const records = fixture.json("overlay-layers", "layers.json");
    records[1].flags = { incomplete: true };
    Deno.writeTextFileSync(path, JSON.stringify(records));
    assert.equal(await fixture.store.layer(layerIds[1]!), undefined);
    assert.ok(await fixture.store.layer(layerIds[0]!));
    assert.throws(() => Deno.statSync(fixture.graph("overlay", layerIds[1]!)));
  });

  it("collects what a crash leaves, and nothing that is in use", async () => {
    const { image, layerIds } = await putImage(fixture.store, NAME, [BASE]);
    const id = containerId("9");
    await fixture.store.createContainer({ id, names: ["9"], image: image.id, metadata: "{}" });
    await using inWork = await fixture.store.stageLayer(undefined, sha256(TOP));
    const orphan = "0".repeat(64);
    for (
      const path of [
        ["overlay", orphan, "diff"],
        ["overlay-images", orphan],
        ["overlay-containers", orphan, "userdata"],
        ["overlay/tempdirs/temp-dir-dead/0-addition/diff"],
      ]
    ) Deno.mkdirSync(fixture.graph(...path), { recursive: true });
    Deno.writeTextFileSync(fixture.graph("overlay/tempdirs/lock-dead"), "");
    Deno.writeTextFileSync(fixture.graph("overlay-layers", `${orphan}.tar-split.gz`), "");
    Deno.symlinkSync(`../${orphan}/diff`, fixture.graph("overlay/l/AAAAAAAAAAAAAAAAAAAAAAAAAA"));
    await fixture.store.collectGarbage();
    for (const directory of ["overlay", "overlay-images", "overlay-containers", "overlay-layers"]) {
      const names = [...Deno.readDirSync(fixture.graph(directory))].map(({ name }) => name);
      assert.ok(!names.some((name) => name.startsWith(orphan)), `${directory}: ${names}`);
    }
    assert.equal([...Deno.readDirSync(fixture.graph("overlay/l"))].length, 2);
    assert.ok(Deno.statSync(inWork.paths.diff).isDirectory);
    assert.throws(() => Deno.statSync(fixture.graph("overlay/tempdirs/lock-dead")));
    assert.ok(await fixture.store.layer(layerIds[0]!));
    await fixture.store.mountContainer(id);
  });

  it("drops the layer of a container whose record was lost, but not that of a fresh pull", async () => {
    const loose = await putLayer(fixture.store, undefined, sha256(BASE), gzipSync(BASE));
    const id = containerId("8");
    await fixture.store.createContainer({ id, names: ["8"], image: undefined, metadata: "{}" });
    const layer = (await fixture.store.container(id))!.layer;
    await fixture.store.mountContainer(id);
    Deno.writeTextFileSync(
      fixture.graph("overlay-containers", "volatile-containers.json"),
      "torn{",
    );
    assert.deepEqual(await fixture.store.containers(), []);
    await fixture.store.collectGarbage();
    assert.equal(await fixture.store.layer(layer), undefined);
    assert.ok(await fixture.store.layer(loose));
    assert.deepEqual(mountsBelow(fixture.root), [fixture.graph("overlay")]);
  });

  it("keeps the layers of a store that has lost its layers.json", async () => {
    const { layerIds } = await putImage(fixture.store, NAME, [BASE]);
    Deno.removeSync(fixture.graph("overlay-layers", "layers.json"));
    await fixture.store.collectGarbage();
    assert.ok(Deno.statSync(fixture.graph("overlay", layerIds[0]!, "diff/etc/base")).isFile);
  });

  it("tells what images take up", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE, TOP]);
    const usage = await fixture.store.imageFsUsage();
    assert.equal(usage.bytes, await fixture.store.imageSize(image.id));
    assert.equal(usage.inodes, 3 + 3, "entries of the layers and items of data");
    assert.equal(usage.mountpoint, fixture.graph("overlay-images"));
  });

  it("counts the entries of a bomb of a layer without holding it in memory", async () => {
    const { layerIds } = await putImage(fixture.store, NAME, [BASE]);
    const line = '{"type":1,"name":"x","payload":null,"position":1}\n'.repeat(20_000);
    const padding = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    Deno.writeFileSync(
      fixture.graph("overlay-layers", `${layerIds[0]}.tar-split.gz`),
      Buffer.concat([gzipSync(line), ...new Array<Buffer>(8).fill(padding), gzipSync(line)]),
    );
    const before = Deno.memoryUsage().rss;
    const { inodes } = await fixture.store.imageFsUsage();
    assert.equal(inodes, 40_000 + 3);
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < 160 * 1024 * 1024, `${grown} bytes more`);
  });

  it("waits for the lock of another process, and sees what that one did", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE]);
    const lockPath = fixture.graph("overlay-images", "images.lock");
    const path = fixture.graph("overlay-images", "images.json");
    const script = `
import fcntl, os, sys, time, json
fd = os.open(${JSON.stringify(lockPath)}, os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(0.4)
images = json.load(open(${JSON.stringify(path)}))
images[0]["names"] = ["localhost/from-python:1"]
os.pwrite(fd, os.urandom(64), 0)
json.dump(images, open(${JSON.stringify(path)}, "w"))
`;
    const child = new Deno.Command("python3", { args: ["-c", script], stdout: "piped" }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    assert.equal(OfdLock.tryAcquire(lockPath, "read"), undefined);
    assert.deepEqual((await fixture.store.image(image.id))?.names, ["localhost/from-python:1"]);
    await reader.cancel();
    assert.ok((await child.status).success);
  });

  it("takes back the locks of an isolate that was terminated while it held them", async () => {
    const source = `
      import { OfdLock } from ${
      JSON.stringify(new URL("../../../src/linux/mod.ts", import.meta.url))
    };
      self.lock = OfdLock.tryAcquire(${JSON.stringify(fixture.graph("storage.lock"))}, "write");
      self.postMessage("held");`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    await new Promise((resolve) => worker.onmessage = resolve);
    worker.terminate();
    const lock = () => OfdLock.tryAcquire(fixture.graph("storage.lock"), "write");
    assert.equal(lock(), undefined);
    releaseAbandonedLocks(fixture.options);
    using again = lock();
    assert.ok(again);
  });

  it("lets two stores change the same images at once without losing a name", async () => {
    const { image } = await putImage(fixture.store, NAME, [BASE]);
    const other = await fixture.reopen();
    const add = async (store: typeof other, name: string) => {
      await store.createImage({
        id: image.id,
        names: [name],
        layer: image.layer,
        digest: image.digest!,
        created: undefined,
        bigData: new Map(),
        metadata: "{}",
      });
    };
    const names = Array.from({ length: 20 }, (_, i) => `localhost/n:${i}`);
    await Promise.all(names.map((name, i) => add(i % 2 ? other : fixture.store, name)));
    const seen = (await fixture.store.image(image.id))!.names;
    assert.deepEqual([...seen].sort(), [...names, NAME].sort());
  });

  it("marks an opaque directory so that overlay hides what is below", async () => {
    const opaque = tarOf(entry("etc/", ""), entry("etc/.wh..wh..opq", ""));
    const { image, layerIds } = await putImage(fixture.store, NAME, [BASE, opaque]);
    const directory = fixture.graph("overlay", layerIds[1]!, "diff/etc");
    assert.ok(lgetxattr(directory, "trusted.overlay.opaque"));
    const path = await fixture.store.mountImage(image.id);
    assert.deepEqual([...Deno.readDirSync(join(path, "etc"))], []);
    await fixture.store.unmountImage(image.id);
  });
});

/** What is in the store's directories but the files that an empty store has. */
function leftovers(fixture: FixtureStore): string[] {
  const found: string[] = [];
  const expected = /\.lock$|\.json$|^(l|tempdirs|tmp|\.has-mount-program)$/;
  const directories = [
    "overlay",
    "overlay/l",
    "overlay/tempdirs",
    "overlay-layers",
    "overlay-layers/tmp",
    "overlay-images",
    "overlay-containers",
  ];
  for (const directory of directories) {
    if (!existsSync(fixture.graph(directory))) continue;
    for (const name of readdirSync(fixture.graph(directory))) {
      if (!expected.test(name)) found.push(`${directory}/${name}`);
    }
  }
  return found;
}
