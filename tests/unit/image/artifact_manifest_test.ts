import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parseArtifact } from "../../../src/image/artifact/artifact_manifest.ts";

const HEX = "a".repeat(64);
const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", digest: `sha256:${HEX}`, size: 2 };
const IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";

function parse(manifest: unknown) {
  return parseArtifact(new TextEncoder().encode(JSON.stringify(manifest)));
}

/** The path of a file whose layer has these annotations. */
function title(annotations: unknown): string | undefined {
  const layer = { mediaType: "text/plain", digest: `sha256:${HEX}`, size: 1, annotations };
  const artifact = { schemaVersion: 2, artifactType: "a/b", config: EMPTY, layers: [layer] };
  return parse(artifact)?.files[0]?.title;
}

describe("the manifest of an artifact", () => {
  const manifest = { schemaVersion: 2, config: EMPTY, layers: [] };

  it("is one with an artifact type, or with a config that is no image's", () => {
    assert.equal(parse({ ...manifest, artifactType: "a/b" })?.type, "a/b");
    assert.equal(parse(manifest)?.type, EMPTY.mediaType);
    const config = { ...EMPTY, mediaType: IMAGE_CONFIG };
    assert.equal(parse({ ...manifest, config }), undefined);
    assert.equal(parse({ ...manifest, config, artifactType: "a/b" })?.type, "a/b");
    assert.equal(parse({ ...manifest, manifests: [] }), undefined);
  });

  it("names its files by their titles, those of models by their paths, else by digest", () => {
    const named = { "org.opencontainers.image.title": "dir//./file" };
    const model = { "org.cncf.model.filepath": "weights/one.bin" };
    assert.equal(title(named), "dir/file");
    assert.equal(title(model), "weights/one.bin");
    assert.equal(title({ ...model, ...named }), "dir/file");
    assert.equal(title(undefined), HEX);
  });

  it("takes no name that leads elsewhere or is none", () => {
    for (const text of ["../up", "a/../../b", "..", "", "/", "line\nfeed", "x".repeat(2000), 7]) {
      assert.equal(title({ "org.opencontainers.image.title": text }), HEX, String(text));
      assert.equal(title({ "org.cncf.model.filepath": text }), HEX, String(text));
    }
    assert.equal(title("no object"), HEX);
  });
});
