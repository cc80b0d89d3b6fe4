import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { mountsBelow } from "../../../src/linux/mod.ts";
import { sharedLibraries } from "../../images/shared_libraries.ts";
import { FixtureStore, putImage, sha256 } from "./fixture_store.ts";
import { entry, pax, tarOf } from "./tar_bytes.ts";

const NAME = "docker.io/library/demo:v1";
const LIBRARIES = await sharedLibraries("/bin/busybox");
const LONG = "x".repeat(120);

/** Two layers with everything that has its own way through tar, tar-split and overlay. */
const LAYERS = [
  tarOf(
    entry("./", ""),
    entry("./bin/", ""),
    entry("./bin/busybox", bytesOf("/bin/busybox"), { mode: 0o755 }),
    ...LIBRARIES.map((path) => entry(`.${path}`, bytesOf(path), { mode: 0o755 })),
    entry("./bin/sh", "", { type: "1", link: "./bin/busybox", mode: 0o755 }),
    entry("./bin/cat", "", { type: "1", link: "bin/busybox", mode: 0o755 }),
    entry("./home/", "", { uid: 1000 }),
    entry("./gone", "x"),
    entry("./opq/", ""),
    entry("./opq/lower", "x"),
    pax({ path: `long/${LONG}/name` }),
    entry("short", "long name"),
    entry("null\xffname", "not UTF-8"),
  ),
  Buffer.concat([
    tarOf(
      entry(".wh.gone", ""),
      entry("opq/.wh..wh..opq", ""),
      entry("home/hello", "hello from above\n", { mode: 0o4755, uid: 1000 }),
      entry("home/link", "", { type: "2", link: "/home/hello" }),
      pax({ "SCHILY.xattr.user.foo": "bar", mtime: "1700000000.123456789" }),
      entry("home/xattr", "x"),
    ),
    Buffer.alloc(8192),
  ]),
];

describe("a store shared with podman and skopeo", () => {
  it("lists, inspects and exports by digest what crid wrote", async () => {
    await using fixture = await FixtureStore.create();
    const { image, manifestDigest } = await putImage(fixture.store, NAME, LAYERS);
    const listed = JSON.parse(await fixture.podman(["images", "--format", "json", "--digests"]));
    assert.equal(listed[0].Id, image.id);
    assert.deepEqual(listed[0].Names, [NAME]);
    assert.equal(listed[0].Digest, manifestDigest);
    assert.equal(listed[0].Size, await fixture.store.imageSize(image.id));
    const inspected = JSON.parse(await fixture.podman(["inspect", `demo@${manifestDigest}`]));
    assert.equal(inspected[0].Id, image.id);
    assert.deepEqual(inspected[0].RootFS.Layers, LAYERS.map(sha256));

    // The exporter puts each archive together again and checks it against the DiffID.
    const target = join(fixture.root, "export");
    await fixture.skopeo(["copy", `STORE:${NAME}`, `dir:${target}`]);
    for (const layer of LAYERS) {
      const blob = Deno.readFileSync(join(target, sha256(layer).slice("sha256:".length)));
      assert.equal(sha256(blob), sha256(layer));
    }
  });

  it("lets podman run a container from what crid wrote", async () => {
    await using fixture = await FixtureStore.create();
    await putImage(fixture.store, NAME, LAYERS, { Cmd: ["/bin/sh"] });
    const said = await fixture.podman([
      "run",
      "--rm",
      "--network",
      "none",
      "--ulimit",
      "nofile=1024:1024",
      "--ulimit",
      "nproc=1024:1024",
      NAME,
      "/bin/sh",
      "-c",
      "cat /home/link; busybox ls /opq; busybox ls -d /gone || echo no gone",
    ]);
    assert.equal(said, "hello from above\nno gone\n");
  });

  it("reads an image that skopeo wrote, and recognises its layers as the ones it would write", async () => {
    await using fixture = await FixtureStore.create();
    await using other = await FixtureStore.create();
    const { image, layerIds } = await putImage(other.store, NAME, LAYERS);
    const oci = join(other.root, "oci");
    await other.skopeo(["copy", `STORE:${NAME}`, `oci:${oci}:v1`]);
    await fixture.skopeo(["copy", `oci:${oci}:v1`, `STORE:${NAME}`]);

    const images = await fixture.store.images();
    assert.equal(images.length, 1);
    assert.equal(images[0]!.id, image.id);
    assert.deepEqual(images[0]!.names, [NAME]);
    assert.equal(images[0]!.layer, layerIds.at(-1));
    for (const id of layerIds) assert.ok(await fixture.store.layer(id), `layer ${id}`);
    // And the trees are the same, down to owners, modes, times, attributes and devices.
    assert.deepEqual(await tree(fixture, layerIds), await tree(other, layerIds));
    assert.equal(
      await fixture.store.imageSize(image.id),
      layerSizes() + bigDataSize(fixture, image.id),
    );
  });

  it("keeps what podman changes meanwhile, and podman sees what crid changes", async () => {
    await using fixture = await FixtureStore.create();
    const { image } = await putImage(fixture.store, NAME, LAYERS);
    await fixture.podman(["tag", NAME, "localhost/other:1"]);
    const { names: tagged } = (await fixture.store.image(image.id))!;
    assert.deepEqual([...tagged].sort(), [NAME, "localhost/other:1"]);
    await fixture.store.setImageNames(image.id, ["localhost/third:1", "localhost/other:1"]);
    const names = await fixture.podman(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert.deepEqual(names.trim().split("\n").sort(), ["localhost/other:1", "localhost/third:1"]);
    await fixture.podman(["rmi", "localhost/third:1", "localhost/other:1"]);
    assert.deepEqual(await fixture.store.images(), []);
    assert.deepEqual(fixture.json("overlay-layers", "layers.json"), []);
  });

  it("loses no change when podman and crid name an image at the same time", async () => {
    await using fixture = await FixtureStore.create();
    const { image } = await putImage(fixture.store, NAME, LAYERS.slice(1));
    const ours = Array.from({ length: 60 }, (_, i) => `localhost/crid:${i}`);
    const theirs = Array.from({ length: 6 }, (_, i) => `localhost/podman:${i}`);
    const tagging = theirs.map((name) => fixture.podman(["tag", NAME, name]));
    const naming = async () => {
      for (const name of ours) {
        await fixture.store.createImage({
          id: image.id,
          names: [name],
          layer: image.layer,
          digest: image.digest!,
          created: undefined,
          bigData: new Map(),
          metadata: "{}",
        });
      }
    };
    await Promise.all([naming(), ...tagging]);
    // podman's tag reads the names, and sets them later: it may take one of ours away again. But
    // neither overwrites what the other has recorded, and that is what the history shows.
    const { namesHistory } = (await fixture.store.image(image.id))!;
    assert.deepEqual([...namesHistory].sort(), [NAME, ...ours, ...theirs].sort());
  });

  it("mounts a container again after a podman too old for volatile layers has unmounted it", async () => {
    await using fixture = await FixtureStore.create();
    const { image } = await putImage(fixture.store, NAME, LAYERS);
    const id = "c".repeat(64);
    await fixture.store.createContainer({ id, names: ["c"], image: image.id, metadata: "{}" });
    const rootfs = await fixture.store.mountContainer(id);
    Deno.writeTextFileSync(join(rootfs, "written"), "before");
    await fixture.podman(["images"]);
    assert.equal(await fixture.store.mountContainer(id), rootfs);
    assert.equal(Deno.readTextFileSync(join(rootfs, "home/hello")), "hello from above\n");
    assert.equal(Deno.readTextFileSync(join(rootfs, "written")), "before");
    await fixture.store.deleteContainer(id);
    assert.deepEqual(mountsBelow(fixture.root), [fixture.graph("overlay")]);
  });

  it("keeps podman from unmounting the home while a layer that podman knows is mounted", async () => {
    await using fixture = await FixtureStore.create();
    const { image, layerIds } = await putImage(fixture.store, NAME, LAYERS);
    const path = await fixture.store.mountImage(image.id);
    await fixture.podman(["images"]);
    assert.equal(Deno.readTextFileSync(join(path, "home/hello")), "hello from above\n");
    assert.throws(() => Deno.writeTextFileSync(join(path, "new"), ""), /Read-only|os error 30/);
    assert.ok(path.includes(layerIds.at(-1)!));
    await fixture.store.unmountImage(image.id);
    assert.ok(!mountsBelow(fixture.root).includes(path));
  });
});

/** A file's content, one character for each byte. */
function bytesOf(path: string): string {
  return Buffer.from(Deno.readFileSync(path)).toString("latin1");
}

function layerSizes(): number {
  return LAYERS.reduce((sum, layer) => sum + layer.length, 0);
}

function bigDataSize(fixture: FixtureStore, id: string): number {
  return [...Deno.readDirSync(fixture.graph("overlay-images", id))].reduce(
    (sum, file) => sum + Deno.statSync(fixture.graph("overlay-images", id, file.name)).size,
    0,
  );
}

/** Everything that can be told of the layers' files, by GNU find and getfattr. */
async function tree(fixture: FixtureStore, layerIds: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const id of layerIds) {
    const script = `find . -printf '%p %M %U %G %s %n %l\\n' | grep -v ' d.* 4096' | sort
      find . -type f -printf '%p %T@\\n' | sort; find . -type d -printf '%p %M %U %G\\n' | sort
      python3 -c 'import os,sys
for root, dirs, files in sorted(os.walk(b".")):
  for name in sorted(dirs + files) + [b"."]:
    path = os.path.join(root, name)
    print(path, [(key, os.getxattr(path, key, follow_symlinks=False)) for key in os.listxattr(path, follow_symlinks=False)])'`;
    const { stdout, stderr, success } = await new Deno.Command("sh", {
      args: ["-ec", script],
      cwd: fixture.graph("overlay", id, "diff"),
      env: { LC_ALL: "C" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    all.push(new TextDecoder("latin1").decode(stdout));
  }
  return all;
}
