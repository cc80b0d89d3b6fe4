import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { choosePlatform, parseManifest } from "../../../src/image/manifest.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

function parse(json: unknown, contentType = "") {
  return parseManifest(new TextEncoder().encode(JSON.stringify(json)), contentType);
}

function image(members: Record<string, unknown> = {}) {
  return {
    schemaVersion: 2,
    config: { mediaType: CONFIG, digest: DIGEST, size: 2 },
    layers: [{ mediaType: LAYER, digest: DIGEST, size: 3 }],
    ...members,
  };
}

function list(
  mediaType: string | undefined,
  entries: [string, string?, Record<string, string>?][],
) {
  return parse({
    schemaVersion: 2,
    mediaType,
    manifests: entries.map(([platform, digit = "a", annotations]) => {
      const [os, architecture, variant] = platform.split("/");
      return {
        digest: `sha256:${digit.repeat(64)}`,
        size: 1,
        annotations,
        ...(platform === "" ? {} : { platform: { os, architecture, variant } }),
      };
    }),
  });
}

function chosen(manifest: ReturnType<typeof parse>, platform: string): string {
  assert.equal(manifest.kind, "list");
  const [os = "", architecture = "", variant = ""] = platform.split("/");
  if (manifest.kind !== "list") throw new Error();
  return choosePlatform(manifest, { os, architecture, variant }).digest.slice(7, 8);
}

describe("manifests", () => {
  it("reads layers, config and annotations", () => {
    const manifest = parse(image({ annotations: { a: "b", c: 1 } }));
    assert.deepEqual(manifest, {
      kind: "image",
      config: { mediaType: CONFIG, digest: DIGEST, size: 2, urls: [] },
      layers: [{ mediaType: LAYER, digest: DIGEST, size: 3, urls: [] }],
      annotations: { a: "b" },
    });
  });

  const refused: [string, unknown, "invalid_argument" | "unimplemented", RegExp][] = [
    ["a list that is an image too", image({ manifests: [] }), "invalid_argument", /both/],
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, "unimplemented", /schema 1/],
    ["schema 3", image({ schemaVersion: 3 }), "invalid_argument", /schemaVersion/],
    ["null", null, "invalid_argument", /object/],
    ["a list", [], "invalid_argument", /object/],
    ["nothing in it", { schemaVersion: 2 }, "invalid_argument", /neither/],
    [
      "an encrypted layer",
      image({ layers: [{ mediaType: LAYER + "+encrypted", digest: DIGEST, size: 1 }] }),
      "unimplemented",
      /encrypted/,
    ],
    [
      "an unknown layer type",
      image({ layers: [{ mediaType: "text/plain", digest: DIGEST, size: 1 }] }),
      "invalid_argument",
      /media type/,
    ],
    [
      "a bad digest",
      image({ layers: [{ mediaType: LAYER, digest: "sha256:../../x", size: 1 }] }),
      "invalid_argument",
      /digest/,
    ],
    ...[-1, 1.5, 2 ** 60, "3", null].map((size): typeof refused[number] => [
      `the size ${size}`,
      image({ layers: [{ mediaType: LAYER, digest: DIGEST, size }] }),
      "invalid_argument",
      /size/,
    ]),
    [
      "501 layers",
      image({ layers: Array(501).fill({ mediaType: LAYER, digest: DIGEST, size: 1 }) }),
      "invalid_argument",
      /501/,
    ],
    ["an artifact", image({ artifactType: "x/y" }), "unimplemented", /artifact/],
    [
      "a config of another kind",
      image({
        config: { mediaType: "application/vnd.oci.empty.v1+json", digest: DIGEST, size: 2 },
      }),
      "unimplemented",
      /artifact/,
    ],
  ];
  for (const [what, json, code, text] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parse(json), (error) => isCode(error, code) && text.test(error.message));
    });
  }

  it("refuses what is no JSON, however deep", () => {
    for (const text of ["", "{", "[".repeat(1_000_000), "\xff"]) {
      assert.throws(
        () => parseManifest(new TextEncoder().encode(text), ""),
        (error) => isCode(error, "invalid_argument"),
      );
    }
  });

  it("chooses the host's architecture and the best variant that it runs", () => {
    const manifest = list(undefined, [
      ["linux/amd64", "a"],
      ["linux/arm/v6", "b"],
      ["linux/arm/v7", "c"],
      ["linux/arm64/v8", "d"],
      ["windows/amd64", "e"],
    ]);
    assert.equal(chosen(manifest, "linux/amd64"), "a");
    assert.equal(chosen(manifest, "linux/arm/v7"), "c");
    assert.equal(chosen(manifest, "linux/arm/v6"), "b");
    assert.equal(chosen(manifest, "linux/arm64/v8"), "d");
  });

  it("never chooses a newer variant than the host's", () => {
    assert.throws(() => chosen(list(undefined, [["linux/arm/v7"]]), "linux/arm/v6"), /no variant/);
  });

  it("says which platforms there are when none suits", () => {
    assert.throws(
      () => chosen(list(LIST, [["linux/s390x"], ["", "b"]]), "linux/amd64"),
      (error) => isCode(error, "not_found") && /linux\/amd64.*linux\/s390x/.test(error.message),
    );
  });

  it("prefers zstd copies in an index, and takes entries without platform last", () => {
    const zstd = { "io.github.containers.compression.zstd": "true" };
    const entries: [string, string?, Record<string, string>?][] = [
      ["", "a"],
      ["linux/amd64", "b"],
      ["linux/amd64", "c", zstd],
    ];
    assert.equal(chosen(list(undefined, entries), "linux/amd64"), "c");
    assert.equal(chosen(list(LIST, entries), "linux/amd64"), "b");
    assert.equal(chosen(list(undefined, [["", "a"]]), "linux/amd64"), "a");
  });
});
