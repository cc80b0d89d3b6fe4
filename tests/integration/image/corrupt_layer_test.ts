import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { type ErrorCode, isCode } from "../../../src/failure/mod.ts";
import {
  bytesBlob,
  dir,
  file,
  hardlink,
  image,
  type Layer,
  layer,
  pushImage,
  sha256,
  symlink,
  tar,
  type TarEntry,
} from "../../images/mod.ts";
import { type Registry, startRegistry } from "../../harness/registry.ts";
import { makePullNode } from "./pull_node.ts";

let registry: Registry;
let number = 0;

/** A layer of these bytes, whatever they are; its diff ID is that of `uncompressed`. */
function rawLayer(blob: Uint8Array<ArrayBuffer>, uncompressed: Uint8Array): Layer {
  return { blob: bytesBlob(blob), diffId: sha256(uncompressed), compression: "gzip" };
}

function gzipped(archive: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(archive, { level: 1 }));
}

const entries = (...list: TarEntry[]) => {
  const archive = tar(list);
  return rawLayer(gzipped(archive), archive);
};

/**
 * Pulls an image of a sound layer, this one, and another sound one; expects the failure and a store as it
 * was before.
 */
async function fails(corrupt: Layer, code: ErrorCode, text: RegExp, limits?: {
  maxSize: number;
  maxEntries: number;
}): Promise<void> {
  const name = `corrupt-${++number}`;
  const below = await layer([dir("below"), file("below/file", "x".repeat(100_000))]);
  const above = await layer([file("above", `${number}`)]);
  await pushImage(registry.url, name, ["latest"], image([below, corrupt, above]));
  await using node = await makePullNode({
    insecure: [registry.host],
    ...limits === undefined ? {} : { limits },
  });
  await assert.rejects(
    () => node.pull(`${registry.host}/${name}`),
    (error) => {
      assert.ok(isCode(error, code), `${error}, code ${(error as { code?: string }).code}`);
      assert.match(error.message, text);
      assert.ok(error.message.startsWith(`pull ${registry.host}/${name}: `), error.message);
      return true;
    },
  );
  assert.deepEqual(await node.images.list(), []);
  const { complete, temporary } = await node.layers();
  assert.deepEqual(temporary, []);
  // The layer below may have been stored; nothing else.
  assert.ok(complete.length <= 1, complete.join(" "));
  // The store is in order, and the isolates work on.
  assert.equal(await node.podman("images", "-q"), "");
  const sound = image([below, above]);
  await pushImage(registry.url, name, ["sound"], sound);
  assert.equal(`sha256:${await node.pull(`${registry.host}/${name}:sound`)}`, sound.configDigest);
}

describe("a corrupt layer", () => {
  before(async () => {
    registry = await startRegistry();
  });
  after(() => registry[Symbol.asyncDispose]());

  it("whose gzip ends early is refused", async () => {
    const archive = tar([file("a", crypto.getRandomValues(new Uint8Array(50_000)))]);
    const whole = gzipped(archive);
    await fails(rawLayer(whole.slice(0, whole.length / 2), archive), "invalid_argument", /./);
  });

  it("whose gzip is damaged in the middle is refused", async () => {
    const archive = tar([file("a", crypto.getRandomValues(new Uint8Array(50_000)))]);
    const whole = gzipped(archive);
    whole.fill(0xff, 20_000, 20_100);
    await fails(rawLayer(whole, archive), "invalid_argument", /./);
  });

  it("that is no archive is refused", async () => {
    const noise = crypto.getRandomValues(new Uint8Array(10_000));
    await fails(rawLayer(gzipped(noise), noise), "invalid_argument", /./);
  });

  it("with a bad header checksum is refused", async () => {
    const archive = tar([file("a", "content"), file("b", "content")]);
    archive[1024 + 150]! ^= 0xff;
    await fails(rawLayer(gzipped(archive), archive), "invalid_argument", /./);
  });

  it("that ends in the middle of a file is refused", async () => {
    const archive = tar([file("a", "x".repeat(10_000))]).slice(0, 4096);
    await fails(rawLayer(gzipped(archive), archive), "invalid_argument", /./);
  });

  it("whose content has another digest than the config says is refused", async () => {
    const archive = tar([file("a", "content")]);
    const other = tar([file("a", "CONTENT")]);
    await fails(
      rawLayer(gzipped(archive), other),
      "invalid_argument",
      /content of layer sha256:\w+: digest mismatch/,
    );
  });

  it("with a name that leads out of the tree is refused", async () => {
    await fails(entries(file("../../escaped", "x")), "invalid_argument", /escaped/);
  });

  it("with a hard link to a file outside is refused", async () => {
    await fails(
      entries(hardlink("mine", "../../../../etc/passwd")),
      "invalid_argument",
      /mine|passwd/,
    );
  });

  it("that writes through a symbolic link stays in the tree", async () => {
    const outside = await Deno.makeTempDir({ prefix: "crid-outside-" });
    try {
      const archive = tar([symlink("way", outside), file("way/planted", "x")]);
      const name = `corrupt-${++number}`;
      await pushImage(registry.url, name, ["latest"], image([rawLayer(gzipped(archive), archive)]));
      await using node = await makePullNode({ insecure: [registry.host] });
      await node.pull(`${registry.host}/${name}`).catch(() => {});
      assert.deepEqual(await Array.fromAsync(Deno.readDir(outside)), []);
    } finally {
      await Deno.remove(outside, { recursive: true });
    }
  });

  it("that unpacks to more than the limit is refused before it fills the disk", async () => {
    const archive = tar([file("zeros", new Uint8Array(20_000_000))]);
    const bomb = entries(file("zeros", new Uint8Array(20_000_000)));
    assert.ok(gunzipSync(gzipped(archive)).length > bomb.blob.size * 100);
    await fails(bomb, "resource_exhausted", /./, { maxSize: 1_000_000, maxEntries: 1000 });
  });

  it("with more entries than the limit is refused", async () => {
    const many = Array.from({ length: 2000 }, (_, index) => file(`f${index}`));
    await fails(entries(...many), "resource_exhausted", /./, { maxSize: 1e9, maxEntries: 1000 });
  });
});
