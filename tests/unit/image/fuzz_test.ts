import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import fc from "fast-check";
import { CridError } from "../../../src/failure/mod.ts";
import { parseArtifact } from "../../../src/image/artifact/artifact_manifest.ts";
import { parseConfig } from "../../../src/image/image_config.ts";
import { choosePlatform, parseIndex, parseManifest } from "../../../src/image/manifest.ts";
import { formatReference, parseReference } from "../../../src/image/reference.ts";
import { parseChallenges } from "../../../src/image/registry/challenge.ts";
import { convertSchema1, parseSchema1 } from "../../../src/image/schema1.ts";

/** The same each time, and others in a long run. */
const RUNS = Deno.env.get("CRID_TEST_LONG") === undefined
  ? { seed: 1, numRuns: 2_000 }
  : { numRuns: 20_000 };
const DIGEST = `sha256:${"a".repeat(64)}`;
const HOST = { os: "linux", architecture: "amd64", variant: "" };

/** Names and values that the documents have, in places where they belong and others. */
const key = fc.constantFrom(
  ...["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "urls"],
  ...["platform", "architecture", "os", "variant", "annotations", "artifactType", "rootfs"],
  ...["diff_ids", "Env", "Cmd", "User", "Labels", "Volumes", "created", "history", "__proto__"],
  ...["fsLayers", "blobSum", "v1Compatibility", "signatures", "protected", "name", "tag", "title"],
);
const leaf = fc.oneof(
  fc.constantFrom<unknown>(...[1, 2, -1, 1e300, "", DIGEST, "amd64", "linux", true, null]),
  fc.constantFrom(
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    '{"id":"x","parent":1}',
  ),
  fc.string({ maxLength: 8 }),
);
const { document } = fc.letrec((tie) => ({
  document: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf,
    fc.array(tie("document"), { maxLength: 4 }),
    fc.dictionary(key, tie("document"), { maxKeys: 6, noNullPrototype: false }),
  ),
}));
const descriptor = (mediaType: string) => ({ mediaType, digest: DIGEST, size: 7, urls: [] });
/** Documents that are sound. */
const SOUND: readonly unknown[] = [
  {
    schemaVersion: 2,
    config: descriptor("application/vnd.oci.image.config.v1+json"),
    layers: [descriptor("application/vnd.oci.image.layer.v1.tar+gzip")],
    annotations: { a: "b" },
  },
  {
    schemaVersion: 2,
    artifactType: "application/x",
    config: descriptor("application/vnd.oci.empty.v1+json"),
    layers: [{ ...descriptor("x"), annotations: { "org.opencontainers.image.title": "file" } }],
  },
  { schemaVersion: 2, manifests: [{ ...descriptor("x"), platform: HOST, annotations: {} }] },
  {
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: { Env: ["a=b"], Cmd: ["sh"], Labels: { a: "b" }, Volumes: { "/v": {} }, User: "1" },
    rootfs: { type: "layers", diff_ids: [DIGEST] },
  },
  {
    schemaVersion: 1,
    name: "a/b",
    tag: "x",
    architecture: "amd64",
    fsLayers: [{ blobSum: DIGEST }],
    history: [{ v1Compatibility: '{"id":"x","os":"linux","config":{}}' }],
  },
];
/** Sound ones with something else in one place. */
const changed = fc.tuple(
  fc.constantFrom(...SOUND),
  fc.array(fc.nat(20), { maxLength: 5 }),
  document,
)
  .map(([sound, path, value]) => {
    const root = structuredClone({ sound }) as Record<string, unknown>;
    let parent = root;
    let name = "sound";
    for (const step of path) {
      const here = parent[name];
      if (typeof here !== "object" || here === null || Object.keys(here).length === 0) break;
      parent = here as Record<string, unknown>;
      name = Object.keys(parent)[step % Object.keys(parent).length]!;
    }
    parent[name] = value;
    return root.sound;
  });
const text = fc.oneof(
  { weight: 8, arbitrary: changed.map((value) => JSON.stringify(value) ?? "") },
  { weight: 4, arbitrary: document.map((value) => JSON.stringify(value) ?? "") },
  { weight: 1, arbitrary: fc.string() },
);

/** Runs `read`, which may refuse what it gets in its own words. */
function refuses(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (error instanceof CridError && error.code !== "internal") return;
    throw error;
  }
}

const READERS: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => void>> = {
  "a manifest": (bytes) => {
    const manifest = parseManifest(bytes, "");
    if (manifest.kind === "list") choosePlatform(manifest, HOST);
  },
  "an index": (bytes) => void parseIndex(bytes),
  "a config": (bytes) => void parseConfig(bytes),
  "an artifact": (bytes) => void parseArtifact(bytes),
  "an image of schema 1": (bytes) => {
    const manifest = parseSchema1(bytes);
    if (manifest !== undefined) {
      convertSchema1(manifest, new Map([[DIGEST, { size: 1, diffId: DIGEST }]]));
    }
  },
};

describe("what a registry may send", () => {
  for (const [what, read] of Object.entries(READERS)) {
    it(`is read or refused as ${what}`, () => {
      fc.assert(
        fc.property(text, (json) => refuses(() => read(new TextEncoder().encode(json)))),
        RUNS,
      );
    });
  }

  it("is read or refused as a challenge", () => {
    const piece = fc.constantFrom("Bearer", "Basic", "realm", "=", '"', ",", " ", "\\", "x", "\n");
    const header = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
    fc.assert(fc.property(header, (header) => void parseChallenges(header)), RUNS);
  });

  it("is named as it is read", () => {
    const piece = fc.constantFrom(
      ...["a", "A", "1", "/", ":", "@", ".", "-", "_", "localhost", "[::1]", "latest", DIGEST],
    );
    const name = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(name, (name) =>
        refuses(() => {
          const full = formatReference(parseReference(name));
          assert.equal(formatReference(parseReference(full)), full);
        })),
      RUNS,
    );
  });
});
