import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { join } from "@std/path";
import { checkStore, exportLayer } from "../../../src/storage/mod.ts";
import { FixtureStore, putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const CHILD = fileURLToPath(new URL("sharing_child.ts", import.meta.url));
/** A minute shows more; the suite has not got that long. */
const SECONDS = Deno.env.get("CRID_TEST_LONG") === undefined ? 8 : 60;
const NAME = "localhost/seed:1";

/** What one process has done: the ids of the images that must be there under their names. */
type Kept = Readonly<Record<string, string>>;

/** A process that changes the store as crid does. */
async function crid({ options }: FixtureStore, name: string): Promise<Kept> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CHILD, JSON.stringify(options), name, String(SECONDS)],
  }).output();
  const text = new TextDecoder();
  assert.ok(success, text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

/** podman names, unnames, makes and removes containers, in turn. */
async function podman(fixture: FixtureStore, id: string): Promise<Kept> {
  const kept: Record<string, string> = {};
  const end = performance.now() + SECONDS * 1000;
  for (let round = 0; performance.now() < end; round++) {
    const tag = `localhost/podman:${round % 5}`;
    await fixture.podman(["tag", NAME, tag]);
    kept[tag] = id;
    const container = (await fixture.podman(["create", tag, "/bin/true"])).trim();
    const path = (await fixture.podman(["mount", container])).trim();
    assert.ok(Deno.statSync(join(path, "etc/shared")).isFile);
    await fixture.podman(["unmount", container]);
    await fixture.podman(["rm", container]);
    if (round % 2 === 1) {
      await fixture.podman(["rmi", tag]);
      delete kept[tag];
    }
  }
  return kept;
}

/** skopeo writes whole images, which podman then removes. */
async function skopeo(fixture: FixtureStore, layout: string, id: string): Promise<Kept> {
  const kept: Record<string, string> = {};
  const end = performance.now() + SECONDS * 1000;
  for (let round = 0; performance.now() < end; round++) {
    const tag = `localhost/skopeo:${round % 4}`;
    await fixture.skopeo(["copy", `oci:${layout}:other`, `STORE:${tag}`]);
    kept[tag] = id;
    if (round % 3 === 2) {
      await fixture.podman(["rmi", ...Object.keys(kept)]);
      for (const name of Object.keys(kept)) delete kept[name];
    }
  }
  return kept;
}

describe("a store that two crids, podman and skopeo change at the same time", () => {
  it("loses nothing of what any of them has made, and has nothing left over", async () => {
    await using fixture = await FixtureStore.create();
    const base = tarOf(entry("etc/", ""), entry("etc/shared", "x".repeat(3000)));
    const { image } = await putImage(fixture.store, NAME, [base, tarOf(entry("seed", "s"))]);
    // An image for skopeo to copy, from a store of its own; it shares the base.
    await using source = await FixtureStore.create();
    const { image: other } = await putImage(source.store, "localhost/other:1", [
      base,
      tarOf(entry("other", "o")),
    ]);
    const layout = join(source.root, "layout");
    await source.skopeo(["copy", "STORE:localhost/other:1", `oci:${layout}:other`]);

    const kept = await Promise.all([
      crid(fixture, "one"),
      crid(fixture, "two"),
      podman(fixture, image.id),
      skopeo(fixture, layout, other.id),
    ]);

    for (const [name, id] of kept.flatMap((each) => Object.entries(each))) {
      assert.equal((await fixture.store.image(name))?.id, id, name);
    }
    assert.equal((await fixture.store.image(NAME))?.id, image.id);
    assert.deepEqual(await fixture.store.containers(), []);
    await fixture.store.collectGarbage();
    assert.deepEqual(await checkStore(fixture.store, { depth: "full" }), []);
    const listed = JSON.parse(await fixture.podman(["images", "--format", "json"]));
    const ids = new Set(listed.map(({ Id }: { Id: string }) => Id));
    const images = await fixture.store.images();
    assert.deepEqual(ids, new Set(images.map(({ id }) => id)));
    for (const { layer } of images) await Array.fromAsync(exportLayer(fixture.store, layer!));
    for (const { id } of images) await fixture.store.deleteImage(id);
    assert.deepEqual(fixture.json("overlay-layers", "layers.json"), []);
    assert.deepEqual(fixture.json("overlay-layers", "volatile-layers.json"), []);
  });
});
