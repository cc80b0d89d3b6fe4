import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readRecords } from "../../../src/storage/json_file.ts";
import { FixtureStore, putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const CHILD = fileURLToPath(new URL("crash_child.ts", import.meta.url));
/** Moments of the child's life, in milliseconds, at which it is killed. */
const KILL_AFTER = [3, 17, 40, 71, 113, 160, 230, 310];

describe("a store whose owner is killed with -9", () => {
  it("stays one that podman reads, without broken images, and is tidy after a collection", async () => {
    await using fixture = await FixtureStore.create();
    for (const moment of KILL_AFTER) {
      await killAfter(moment, fixture);
      // What podman lists it must be able to look into, layer by layer.
      const ids = (await fixture.podman(["images", "-q", "--no-trunc"])).trim().split("\n");
      for (const id of new Set(ids.filter((id) => id !== ""))) {
        await fixture.podman(["inspect", id]);
      }
      for (const image of await fixture.store.images()) {
        assert.ok(await fixture.store.layer(image.layer!), `layer of ${image.id}`);
        assert.ok(await fixture.store.imageSize(image.id) > 0);
        const path = await fixture.store.mountImage(image.id);
        assert.equal(Deno.statSync(`${path}/base`).size, 5000);
        await fixture.store.unmountImage(image.id);
      }
      for (const { id } of await fixture.store.containers()) {
        await fixture.store.deleteContainer(id);
      }
      await fixture.store.collectGarbage();
      assertTidy(fixture);
    }
    await putImage(fixture.store, "localhost/after:1", [tarOf(entry("file", "x"))]);
  });
});

async function killAfter(milliseconds: number, fixture: FixtureStore): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CHILD, JSON.stringify(fixture.options)],
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const { value } = await output.read();
  assert.match(new TextDecoder().decode(value), /^ready/);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  child.kill("SIGKILL");
  await output.cancel();
  await child.status;
}

/** Every directory has its record, and the other way round. */
function assertTidy(fixture: FixtureStore): void {
  const names = (directory: string) =>
    existsSync(fixture.graph(directory)) ? readdirSync(fixture.graph(directory)) : [];
  const ids = (file: string) => readRecords(fixture.graph(file)).map(({ id }) => id);
  const hex = (name: string) => /^[0-9a-f]{64}$/.test(name);
  const layers = ids("overlay-layers/layers.json").sort();
  assert.deepEqual(ids("overlay-layers/volatile-layers.json"), []);
  assert.deepEqual(names("overlay").filter(hex).sort(), layers);
  assert.equal(names("overlay/l").length, layers.length);
  assert.deepEqual(
    names("overlay-layers").filter((name) => name.endsWith(".gz")).sort(),
    layers.map((id) => `${id}.tar-split.gz`),
  );
  assert.deepEqual(
    names("overlay-images").filter(hex).sort(),
    ids("overlay-images/images.json").sort(),
  );
  assert.deepEqual(names("overlay-containers").filter(hex), []);
  assert.deepEqual(names("overlay/tempdirs"), []);
  assert.deepEqual(names("overlay-layers/tmp"), []);
}
