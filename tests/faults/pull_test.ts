import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Crid, isolate, isServiceError, makeNode, startImageRegistry } from "../harness/mod.ts";
import { type SmallDisks, smallDisks } from "./full_disk.ts";

const REPOSITORY = "crid/many-layers";
const IMAGE = { image: { image: `registry.k8s.io/${REPOSITORY}:latest` } };
const NO_ROOM = /no space left|os error 28/i;
/** Longest wait for what a crash has left to be gone. */
const TIDY_MS = 30_000;
/** Parts of the time that a pull takes, at which crid is killed; more of them in a long run. */
const MOMENTS = Deno.env.get("CRID_TEST_LONG") === undefined
  ? [0.4, 0.8]
  : [0.05, 0.2, 0.4, 0.6, 0.8, 0.95];

describe("a pull of an image", () => {
  const stack = new AsyncDisposableStack();

  let disks: SmallDisks;
  let crid: Crid;

  before(async () => {
    const node = await makeNode({});
    disks = stack.use(smallDisks(node));
    // After the disks, which it has to see.
    const isolation = stack.use(await isolate());
    const { host } = stack.use(await startImageRegistry(isolation, [REPOSITORY]));
    await Deno.writeTextFile(
      node.registriesConf,
      `[[registry]]
prefix = "registry.k8s.io"
location = "registry.k8s.io"

[[registry.mirror]]
location = "${host}"
insecure = true
`,
    );
    crid = stack.use(new Crid(node, { isolation }));
    await crid.start();
  });
  after(() => stack.disposeAsync());

  const pull = (crid: Crid) => crid.client.image.pullImage(IMAGE);
  const removeIt = (crid: Crid) => crid.client.image.removeImage(IMAGE);
  const listed = async (crid: Crid) => (await crid.client.image.listImages()).images.length;

  it("that crid is killed -9 in leaves nothing half made, and is begun again", async () => {
    const started = performance.now();
    await pull(crid);
    const whole = performance.now() - started;
    await removeIt(crid);
    const empty = entries(crid);
    for (const moment of MOMENTS) {
      const pulling = pull(crid).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, moment * whole));
      await crid.kill9();
      await pulling;
      await crid.start();
      await tidied(crid);
      assert.ok(await listed(crid) <= 1);
      await pull(crid);
      assert.equal(await listed(crid), 1);
      const removing = removeIt(crid).catch(() => {});
      if (moment > 0.5) await new Promise((resolve) => setTimeout(resolve, moment * 10));
      await crid.kill9();
      await removing;
      await crid.start();
      await tidied(crid);
      await pull(crid);
      await removeIt(crid);
      assert.deepEqual(entries(crid), empty, `something is left by a kill at ${moment}`);
    }
  });

  it("without room fails and says why, leaves nothing half made, and works with room again", async () => {
    const empty = entries(crid);
    for (const resource of ["bytes", "files"] as const) {
      let failures = 0;
      for (let free = 0;; free = free * 3 + 5) {
        disks.leave("storageRoot", resource, free);
        const failure = await pull(crid).then(() => undefined, (error) => error);
        disks.enough();
        if (failure === undefined) break;
        failures++;
        assert.ok(isServiceError(failure) && NO_ROOM.test(failure.details), `${failure}`);
        assert.deepEqual(temporary(crid), [], `left with ${free} ${resource}`);
        assert.equal(await listed(crid), 0);
      }
      assert.ok(failures > 2, `${failures} pulls failed for want of ${resource}`);
      await removeIt(crid);
      assert.deepEqual(entries(crid), empty);
    }
  });
});

/** crid tidies up in the background after its start. */
async function tidied(crid: Crid): Promise<void> {
  const limit = Date.now() + TIDY_MS;
  while (temporary(crid).length > 0 && Date.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(temporary(crid), []);
}

/** Half-made things. */
function temporary({ node }: Crid): string[] {
  return names(node.storageRoot, ["overlay/tempdirs", "overlay-layers/tmp", "artifacts/tmp"]);
}

/** Layers, tar-split data, images and short names. */
function entries({ node }: Crid): string[] {
  const kept = /^[0-9a-f]{64}/;
  return names(node.storageRoot, ["overlay", "overlay-layers", "overlay-images"])
    .filter((name) => kept.test(name))
    .concat(names(node.storageRoot, ["overlay/l"]));
}

function names(root: string, directories: readonly string[]): string[] {
  return directories.flatMap((directory) => {
    try {
      return Array.from(Deno.readDirSync(`${root}/${directory}`), ({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  });
}
