import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import {
  createSubvolume,
  isSubvolume,
  mountsBelow,
  statfs,
  syncFileSystem,
} from "../../../src/linux/mod.ts";
import { checkStore, exportLayer, openStore } from "../../../src/storage/mod.ts";
import { BtrfsDisk, hasBtrfs } from "./btrfs_disk.ts";
import { FixtureStore, putImage } from "./fixture_store.ts";
import { entry, pax, tarOf } from "./tar_bytes.ts";

const NAME = "docker.io/library/demo:v1";
/** A base, and layers that hide, replace and add in every way. */
const LAYERS = [
  tarOf(
    entry("etc/", "", { mode: 0o711 }),
    entry("etc/one", "1", { uid: 1000, mode: 0o4755 }),
    entry("etc/two", "", { type: "1", link: "etc/one" }),
    entry("gone/", ""),
    entry("gone/file", "x"),
    entry("opq/", ""),
    entry("opq/below", "x"),
    entry("file-to-directory", "x"),
    entry("directory-to-file/", ""),
    entry("directory-to-file/inner", "x"),
    entry("link", "", { type: "2", link: "etc" }),
    pax({ "SCHILY.xattr.user.foo": "bar" }),
    entry("attributes", "x"),
    entry("not-utf-8-\xe4/", ""),
    entry("not-utf-8-\xe4/gone", "x"),
    entry("not-utf-8-\xe4/kept", "x"),
    entry("not-utf-8-\xfc", "x"),
  ),
  tarOf(
    entry("./", "", { mode: 0o777 }),
    entry("etc/", "", { mode: 0o755 }),
    entry("etc/one", "changed", { mode: 0o600 }),
    entry(".wh.gone", ""),
    entry("opq/", ""),
    entry("opq/.wh..wh..opq", ""),
    entry("opq/above", "y"),
    entry("file-to-directory/", ""),
    entry("file-to-directory/inner", "y"),
    entry("directory-to-file", "y"),
    entry("link/", ""),
    entry("link/inner", "y"),
    entry("null", "", { type: "6" }),
    entry("not-utf-8-\xe4/", ""),
    entry("not-utf-8-\xe4/.wh.gone", ""),
    entry(".wh.not-utf-8-\xfc", ""),
  ),
  tarOf(entry("opq/last", "z"), entry("opq/.wh.above", "")),
];

/** Every path of a tree with its kind, mode, owner, time and content. */
async function listing(root: string): Promise<string> {
  const script = "find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %l %n\\n' | sort; " +
    "find . -type f | sort | xargs sha256sum; stat -c '%a %u:%g' .";
  const output = await new Deno.Command("sh", { args: ["-c", script], cwd: root }).output();
  assert.ok(output.success, new TextDecoder().decode(output.stderr));
  // Each file system counts a directory's links in its own way.
  const lines = new TextDecoder().decode(output.stdout).replace(/^(.* d .*) \d+$/gm, "$1");
  // A directory that a layer does not mention has the time at which it was made.
  return lines.replace(/^(opq d \S+ \S+) \S+/m, "$1").replace(/^(etc\/two .*) \d$/m, "$1");
}

interface TreeDriver {
  readonly driver: string;
  readonly folder: string;
  /** Where stores with it can be; the usual place if not given. */
  readonly disk?: () => Promise<BtrfsDisk>;
}

/** Only the graph root is on the disk: podman wants its run root's path to be short. */
function createOn(disk: BtrfsDisk | undefined, driver: string): Promise<FixtureStore> {
  return FixtureStore.create({ driver, ...disk && { graphRoot: join(disk.path, "graph") } });
}

function storeOfTrees({ driver, folder, disk: makeDisk }: TreeDriver): void {
  let fixture: FixtureStore;
  let disk: BtrfsDisk | undefined;
  beforeEach(async () => {
    disk = await makeDisk?.();
    fixture = await createOn(disk, driver);
  });
  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  });

  it("has the trees that overlay shows, and archives to the byte", async () => {
    await using overlay = await FixtureStore.create();
    const theirs = await putImage(overlay.store, NAME, LAYERS);
    const ours = await putImage(fixture.store, NAME, LAYERS);
    assert.deepEqual(ours.layerIds, theirs.layerIds);
    const path = await overlay.store.mountImage(theirs.image.id);
    const tree = await fixture.store.mountImage(ours.image.id);
    assert.equal(tree, fixture.graph(driver, folder, ours.layerIds[2]!));
    assert.equal(await listing(tree), await listing(path));
    assert.equal(Deno.readTextFileSync(join(tree, "etc/two")), "1", "links do not lead back");
    await overlay.store.unmountImage(theirs.image.id);
    for (const id of [ours.layerIds[2]!]) await Array.fromAsync(exportLayer(fixture.store, id));
    assert.deepEqual(mountsBelow(fixture.root), []);
  });

  it("is shared with podman and skopeo", async () => {
    const { image } = await putImage(fixture.store, NAME, LAYERS);
    assert.equal(
      (await fixture.podman(["images", "-q", "--no-trunc"])).trim(),
      `sha256:${image.id}`,
    );
    const layout = join(fixture.root, "layout");
    await fixture.skopeo(["copy", `STORE:${NAME}`, `oci:${layout}:v1`]);
    const container = (await fixture.podman(["create", NAME, "/bin/true"])).trim();
    const path = (await fixture.podman(["mount", container])).trim();
    assert.equal(Deno.readTextFileSync(join(path, "opq/last")), "z");
    await assert.rejects(
      fixture.store.deleteImage(image.id),
      (error) => isCode(error, "failed_precondition"),
    );
    await fixture.podman(["rm", container]);
    await fixture.store.deleteImage(image.id);
    await fixture.skopeo(["copy", `oci:${layout}:v1`, `STORE:${NAME}`]);
    const [copied] = await fixture.store.images();
    assert.equal(copied!.id, image.id);
    assert.deepEqual(await checkStore(fixture.store, { depth: "full" }), []);
    await fixture.podman(["rmi", NAME]);
    assert.deepEqual(await fixture.store.images(), []);
    assert.deepEqual(fixture.json(`${driver}-layers/layers.json`), []);
  });

  it("gives a container a tree of its own, and takes all of it away", async () => {
    const { image } = await putImage(fixture.store, NAME, LAYERS);
    const id = "a".repeat(64);
    const maps = [{ containerId: 0, hostId: 100_000, size: 65_536 }];
    await fixture.store.createContainer({ id, names: ["a"], image: image.id, metadata: "{}" });
    const rootfs = await fixture.store.mountContainer(id);
    Deno.writeTextFileSync(join(rootfs, "etc/one"), "mine");
    assert.equal(await fixture.store.containerUpperDir(id), rootfs);
    const mapped = "b".repeat(64);
    await fixture.store.createContainer({
      id: mapped,
      names: ["b"],
      image: image.id,
      metadata: "{}",
      idMaps: { uids: maps, gids: maps },
    });
    const shifted = await fixture.store.mountContainer(mapped, "/proc/self/ns/user");
    assert.equal(Deno.readTextFileSync(join(shifted, "etc/one")), "changed");
    assert.equal(Deno.lstatSync(join(shifted, "etc/one")).uid, 100_000);
    await fixture.store.unmountContainer(id);
    for (const each of [id, mapped]) await fixture.store.deleteContainer(each);
    const empty = "c".repeat(64);
    await fixture.store.createContainer({
      id: empty,
      names: ["c"],
      image: undefined,
      metadata: "{}",
    });
    assert.deepEqual([...Deno.readDirSync(await fixture.store.mountContainer(empty))], []);
    await fixture.store.deleteContainer(empty);
    Deno.mkdirSync(fixture.graph(driver, folder, "0".repeat(64)));
    await fixture.store.collectGarbage();
    await fixture.store.deleteImage(image.id);
    assert.deepEqual([...Deno.readDirSync(fixture.graph(driver, folder))], []);
    assert.deepEqual([...Deno.readDirSync(fixture.graph(driver, "tempdirs"))], []);
  });
}

describe("a store with the vfs driver", () => storeOfTrees({ driver: "vfs", folder: "dir" }));

// Where the kernel has no btrfs, or no loop devices, nothing of it can be tried.
describe("a store with the btrfs driver", { ignore: !hasBtrfs() }, () => {
  storeOfTrees({ driver: "btrfs", folder: "subvolumes", disk: () => BtrfsDisk.create() });

  it("keeps layers as subvolumes that share their blocks", async () => {
    await using disk = await BtrfsDisk.create();
    await using fixture = await createOn(disk, "btrfs");
    const big = tarOf(entry("big", "x".repeat(8 << 20)));
    const { image, layerIds } = await putImage(fixture.store, NAME, [big, ...LAYERS]);
    for (const id of layerIds) {
      assert.ok(isSubvolume(fixture.graph("btrfs/subvolumes", id)));
    }
    await syncFileSystem(disk.path);
    const before = statfs(disk.path).free;
    for (const digit of "abcdef") {
      const id = digit.repeat(64);
      await fixture.store.createContainer({ id, names: [id], image: image.id, metadata: "{}" });
      const rootfs = await fixture.store.mountContainer(id);
      assert.equal(Deno.statSync(join(rootfs, "big")).size, 8 << 20);
    }
    await syncFileSystem(disk.path);
    assert.ok(before - statfs(disk.path).free < 4 << 20, "containers copy nothing");
  });

  it("takes away a container that has subvolumes of its own", async () => {
    await using disk = await BtrfsDisk.create();
    await using fixture = await createOn(disk, "btrfs");
    const { image } = await putImage(fixture.store, NAME, LAYERS);
    const id = "a".repeat(64);
    await fixture.store.createContainer({ id, names: ["a"], image: image.id, metadata: "{}" });
    const rootfs = await fixture.store.mountContainer(id);
    createSubvolume(join(rootfs, "inner"));
    Deno.writeTextFileSync(join(rootfs, "inner/file"), "x");
    await fixture.store.deleteContainer(id);
    assert.equal([...Deno.readDirSync(fixture.graph("btrfs/subvolumes"))].length, LAYERS.length);
  });
});

describe("the btrfs driver on another file system", () => {
  it("is refused, and the message says what to set", async () => {
    const root = await Deno.makeTempDir({ prefix: "crid-no-btrfs-", dir: "/dev/shm" });
    try {
      await assert.rejects(
        openStore({
          graphRoot: join(root, "graph"),
          runRoot: join(root, "run"),
          driver: "btrfs",
          imageStore: "",
          options: [],
        }),
        (error) => isCode(error, "failed_precondition") && /set storage_driver/.test(error.message),
      );
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
});

describe("a store with a driver that crid does not have", () => {
  for (const driver of ["zfs", "aufs"]) {
    it(`is refused, and the message says what to set: ${driver}`, async () => {
      await assert.rejects(
        openStore({
          graphRoot: "/nonexistent",
          runRoot: "/nonexistent",
          driver,
          imageStore: "",
          options: [],
        }),
        (error) => isCode(error, "unimplemented") && /set storage_driver/.test(error.message),
      );
    });
  }
});
