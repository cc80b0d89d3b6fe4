import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { isCode } from "../../../src/failure/mod.ts";
import { parseSchema1 } from "../../../src/image/schema1.ts";
import { answer, client, serve, sha256 } from "./registry_double.ts";

const BASE = new Uint8Array(gzipSync("the base layer"));
const TOP = new Uint8Array(gzipSync("the top layer"));
const bytes = (text: string) => new TextEncoder().encode(text);

/** Newest first, as schema 1 has it; the step in the middle has changed no file. */
function manifest(extra: Record<string, unknown> = {}): string {
  const step = (config: Record<string, unknown>) => ({ v1Compatibility: JSON.stringify(config) });
  return JSON.stringify(
    {
      schemaVersion: 1,
      name: "app",
      tag: "latest",
      architecture: "amd64",
      fsLayers: [TOP, BASE, BASE].map((blob) => ({ blobSum: sha256(blob) })),
      history: [
        step({
          id: "c".repeat(64),
          parent: "b".repeat(64),
          os: "linux",
          architecture: "amd64",
          created: "2015-03-04T05:06:07.8Z",
          config: { Cmd: ["/bin/app", "<&>"], User: "7" },
          container_config: { Cmd: ["/bin/sh", "-c", "make"] },
          author: "somebody",
        }),
        step({ id: "b".repeat(64), created: "2015-03-04T05:06:06Z", throwaway: true }),
        step({ id: "a".repeat(64), created: "2015-03-04T05:06:05Z", Size: 7 }),
      ],
      ...extra,
    },
    null,
    3,
  );
}

/** The document with a signature around it, in the form of libtrust. */
function signed(text: string): string {
  const at = text.lastIndexOf("\n}");
  const header = { formatLength: at, formatTail: btoa("\n}"), time: "2015-03-04T05:06:08Z" };
  const signature = { header: {}, signature: "x", protected: btoa(JSON.stringify(header)) };
  return `${text.slice(0, at)},\n   "signatures": ${JSON.stringify([signature])}\n}`;
}

function documents(text: string, digest: string) {
  return new Map<string, string | Uint8Array>([
    ["/v2/app/manifests/latest", text],
    [`/v2/app/manifests/${digest}`, text],
    [`/v2/app/blobs/${sha256(BASE)}`, BASE],
    [`/v2/app/blobs/${sha256(TOP)}`, TOP],
  ]);
}

describe("an image of Docker schema 1", () => {
  it("is converted: layers from the base up, steps without files as history, config and sizes", async () => {
    const payload = manifest();
    await using registry = await serve(answer(documents(signed(payload), sha256(payload))));
    await using peer = await client(registry.host);
    const image = await peer.resolve(`${registry.host}/app`);
    assert.equal(image.digest, sha256(payload), "the digest is that of what was signed");
    assert.equal(image.list?.digest, image.digest);
    assert.deepEqual(
      image.layers.map(({ digest, size }) => ({ digest, size })),
      [BASE, TOP].map((blob) => ({ digest: sha256(blob), size: blob.length })),
    );
    const config = JSON.parse(new TextDecoder().decode(image.config));
    assert.deepEqual(config.rootfs, {
      type: "layers",
      diff_ids: [sha256("the base layer"), sha256("the top layer")],
    });
    assert.deepEqual(config.config, { Cmd: ["/bin/app", "<&>"], User: "7" });
    assert.deepEqual(config.history, [
      { created: "2015-03-04T05:06:05Z" },
      { created: "2015-03-04T05:06:06Z", empty_layer: true },
      { created: "2015-03-04T05:06:07.8Z", author: "somebody", created_by: "/bin/sh -c make" },
    ]);
    assert.equal(config.id, undefined);
    assert.equal(image.configDigest, sha256(image.config));
    assert.equal(image.manifestDigest, sha256(image.manifest));
    assert.deepEqual(await peer.fetch(image, image.layers[1]), TOP);
  });

  it("is found by the digest of what was signed, and by no other", async () => {
    const payload = manifest();
    const text = signed(payload);
    await using registry = await serve(answer(documents(text, sha256(payload))));
    await using peer = await client(registry.host);
    const image = await peer.resolve(`${registry.host}/app@${sha256(payload)}`);
    assert.equal(image.name, `${registry.host}/app@${sha256(payload)}`);
    await using liar = await serve(answer(documents(text, sha256("other"))));
    await using other = await client(liar.host);
    await assert.rejects(
      other.resolve(`${liar.host}/app@${sha256("other")}`),
      (error) => isCode(error, "invalid_argument"),
    );
  });

  it("is refused when a layer is not what its digest says", async () => {
    const payload = manifest();
    const wrong = documents(payload, sha256(payload));
    wrong.set(`/v2/app/blobs/${sha256(TOP)}`, BASE);
    await using registry = await serve(answer(wrong));
    await using peer = await client(registry.host);
    await assert.rejects(
      peer.resolve(`${registry.host}/app`),
      (error) => isCode(error, "invalid_argument") && /digest mismatch/.test(error.message),
    );
  });

  it("is given up when a layer falls silent", async () => {
    const payload = manifest();
    const others = answer(documents(payload, sha256(payload)));
    await using registry = await serve((request, response) => {
      if (request.url?.endsWith(sha256(TOP)) !== true) return others(request, response);
      response.write(TOP.subarray(0, 5));
    });
    await using peer = await client(registry.host);
    await assert.rejects(
      peer.resolve(`${registry.host}/app`),
      (error) => isCode(error, "unavailable") && /no data for/.test(error.message),
    );
  });

  it("is refused when it is malformed", () => {
    const broken = [
      manifest({ history: [] }),
      manifest({ fsLayers: "x" }),
      manifest({ fsLayers: [], history: [] }),
      manifest({ fsLayers: [{ blobSum: "../etc" }, {}, {}] }),
      manifest({ history: [{}, {}, {}] }),
      manifest({ history: [1, 2, 3].map(() => ({ v1Compatibility: "[" })) }),
      manifest({ signatures: [] }),
      manifest({ signatures: [{ protected: btoa('{"formatLength":99999999}') }] }),
    ];
    for (const text of broken) {
      assert.throws(
        () => parseSchema1(bytes(text)),
        (error) => isCode(error, "invalid_argument"),
        text,
      );
    }
    assert.equal(parseSchema1(bytes('{"schemaVersion":2,"layers":[]}')), undefined);
    assert.equal(parseSchema1(bytes("no JSON")), undefined);
  });
});
