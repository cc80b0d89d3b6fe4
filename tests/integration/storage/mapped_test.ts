import assert from "node:assert/strict";
import { join } from "@std/path";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { isMountPoint, mountsBelow, run, umount, UmountFlag } from "../../../src/linux/mod.ts";
import { shiftOwners } from "../../../src/storage/id_maps.ts";
import { MappedHomes } from "../../../src/storage/mapped_homes.ts";
import { FixtureStore, putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const containerId = (letter: string) => letter.repeat(64);
const NAME = "docker.io/library/mapped:v1";
const MAPS = {
  uids: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
  gids: [{ containerId: 0, hostId: 200_000, size: 65_536 }],
};

describe("a container with id maps", () => {
  let fixture: FixtureStore;
  let namespace: string;
  beforeEach(async () => {
    fixture = await FixtureStore.create();
    namespace = await pinUserNamespace(fixture.root);
  });
  afterEach(async () => {
    umount(namespace, UmountFlag.DETACH);
    await fixture[Symbol.asyncDispose]();
  });

  it("sees the files of its image with its own ids, and writes with the host's", async () => {
    const { image } = await putImage(fixture.store, NAME, [
      tarOf(
        entry("etc/", ""),
        entry("etc/root", "root's"),
        entry("etc/user", "a user's", { uid: 1000 }),
      ),
      tarOf(entry("etc/top", "above")),
    ]);
    const id = containerId("a");
    await fixture.store.createContainer({
      id,
      names: ["mapped"],
      image: image.id,
      metadata: "{}",
      idMaps: MAPS,
    });
    const [record] = fixture.json("overlay-containers", "volatile-containers.json");
    assert.deepEqual(record.uidmap, [{ container_id: 0, host_id: 100_000, size: 65_536 }]);
    const rootfs = await fixture.store.mountContainer(id, namespace);
    const owner = (path: string) => {
      const { uid, gid } = Deno.statSync(join(rootfs, path));
      return [uid, gid];
    };
    assert.deepEqual(owner("."), [100_000, 200_000]);
    assert.deepEqual(owner("etc/root"), [100_000, 200_000]);
    assert.deepEqual(owner("etc/user"), [101_000, 200_000]);
    assert.deepEqual(owner("etc/top"), [100_000, 200_000]);

    // Copied up on its first write, with the owner it is seen with.
    Deno.writeTextFileSync(join(rootfs, "etc/user"), "changed");
    const upper = (await fixture.store.containerUpperDir(id))!;
    assert.equal(Deno.statSync(join(upper, "etc/user")).uid, 101_000);

    const layer = (await fixture.store.container(id))!.layer;
    const below = mountsBelow(fixture.graph("overlay", layer));
    assert.deepEqual(below, [rootfs], "what was mounted on the way is gone");
    await fixture.store.unmountContainer(id);
    await fixture.store.mountContainer(id, namespace);
    assert.deepEqual(owner("etc/user"), [101_000, 200_000]);
    await fixture.store.deleteContainer(id);
    assert.ok(!isMountPoint(rootfs));
    assert.equal((await fixture.store.image(image.id))?.id, image.id);
  });

  it("gets files of its own where the kernel cannot map ids, and keeps them", async () => {
    const { image } = await putImage(fixture.store, NAME, [
      tarOf(entry("etc/", ""), entry("etc/user", "a user's", { uid: 1000, mode: 0o4755 })),
    ]);
    const id = containerId("c");
    const container = { id, names: ["shifted"], image: image.id, metadata: "{}", idMaps: MAPS };
    await fixture.store.createContainer(container);
    // The kernel refuses to map by the host's own namespace.
    const rootfs = await fixture.store.mountContainer(id, "/proc/self/ns/user");
    const user = () => {
      const { uid, mode } = Deno.statSync(join(rootfs, "etc/user"));
      return [uid, mode! & 0o7777];
    };
    assert.deepEqual(user(), [101_000, 0o4755]);
    assert.equal(Deno.statSync(join(rootfs, "etc")).gid, 200_000);
    await fixture.store.unmountContainer(id);
    await fixture.store.mountContainer(id, "/proc/self/ns/user");
    assert.deepEqual(user(), [101_000, 0o4755], "once is enough");
    await fixture.store.deleteContainer(id);
  });

  it("is deleted without harm to images when a crash has left it half mounted", async () => {
    const { image } = await putImage(fixture.store, NAME, [tarOf(entry("file", "content"))]);
    const id = containerId("d");
    const { layer } = await fixture.store.createContainer({
      id,
      names: ["crashed"],
      image: image.id,
      metadata: "{}",
      idMaps: MAPS,
    });
    const home = fixture.graph("overlay");
    const mapped = new MappedHomes(join(home, layer), [home], namespace);
    const file = join(mapped.paths[0]!, image.layer!, "diff/file");
    assert.throws(() => Deno.removeSync(file), /Read-only/);
    await fixture.store.deleteContainer(id);
    assert.equal(Deno.readTextFileSync(join(home, image.layer!, "diff/file")), "content");
    assert.deepEqual(mountsBelow(join(home, layer)), []);
  });

  it("may be without an image", async () => {
    const id = containerId("b");
    await fixture.store.createContainer({
      id,
      names: ["empty"],
      image: undefined,
      metadata: "{}",
      idMaps: MAPS,
    });
    const rootfs = await fixture.store.mountContainer(id, namespace);
    assert.equal(Deno.statSync(rootfs).uid, 100_000);
    await assert.rejects(fixture.store.mountContainer(id), /no user namespace with them was given/);
    await fixture.store.deleteContainer(id);
  });
});

describe("a tree whose ids the kernel cannot map", () => {
  it("is given to the owners that its ids mean", async () => {
    const root = await Deno.makeTempDir({ prefix: "crid-shift-" });
    try {
      await Deno.mkdir(join(root, "dir"));
      await Deno.writeTextFile(join(root, "dir/file"), "");
      await Deno.chown(join(root, "dir/file"), 1000, 70_000);
      await Deno.chmod(join(root, "dir/file"), 0o4755);
      await Deno.symlink("/etc/passwd", join(root, "dir/link"));
      // Its name is no text.
      await run("sh", ["-c", `mkdir "$(printf 'not-utf-8-\\344')"`], { cwd: root });
      const before = Deno.statSync("/etc/passwd");
      shiftOwners(root, MAPS);
      const { stdout } = await run("find", [root, "-user", "0"]);
      assert.equal(new TextDecoder().decode(stdout as Uint8Array), "");
      const file = Deno.statSync(join(root, "dir/file"));
      assert.deepEqual([file.uid, file.gid, file.mode! & 0o7777], [101_000, 70_000, 0o4755]);
      assert.equal(Deno.lstatSync(join(root, "dir/link")).uid, 100_000);
      assert.equal(Deno.statSync(root).gid, 200_000);
      assert.equal(Deno.statSync("/etc/passwd").uid, before.uid);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
});

/** A user namespace with {@linkcode MAPS}, bound to a file. */
async function pinUserNamespace(directory: string): Promise<string> {
  const path = join(directory, "userns");
  await Deno.writeTextFile(path, "");
  const script = `unshare -U sleep 60 & pid=$!
    while [ "$(readlink /proc/$pid/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do :; done
    echo "0 100000 65536" > /proc/$pid/uid_map && echo "0 200000 65536" > /proc/$pid/gid_map &&
    mount --bind /proc/$pid/ns/user "$1"; kill $pid`;
  const { code, stderr } = await run("sh", ["-c", script, "sh", path]);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return path;
}
