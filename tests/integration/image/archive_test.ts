import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { startCrid } from "../../harness/mod.ts";
import { dir, file, symlink, tar, type TarEntry } from "../../images/mod.ts";
import { type CliNode, makeCliNode } from "./cli_node.ts";

const encoder = new TextEncoder();

function hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A small image as `docker save` writes it; what is in it can be replaced. */
function dockerArchive(
  change: {
    readonly layer?: Uint8Array;
    readonly diffId?: string;
    readonly manifest?: string;
    readonly layerEntry?: TarEntry;
    readonly tags?: readonly string[];
  } = {},
): Uint8Array<ArrayBuffer> {
  const layer = change.layer ?? tar([dir("etc"), file("etc/motd", "hello\n")]);
  const config = encoder.encode(JSON.stringify({
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["true"] },
    rootfs: { type: "layers", diff_ids: [change.diffId ?? `sha256:${hex(layer)}`] },
  }));
  const manifest = change.manifest ?? JSON.stringify([{
    Config: `${hex(config)}.json`,
    RepoTags: change.tags ?? ["example.com/loaded:1"],
    Layers: ["layer.tar"],
  }]);
  return tar([
    change.layerEntry ?? file("layer.tar", layer),
    file(`${hex(config)}.json`, config),
    file("manifest.json", manifest),
  ]);
}

describe("archives", () => {
  let node: CliNode;
  before(async () => {
    node = await makeCliNode();
  });
  after(() => node[Symbol.asyncDispose]());

  const load = async (bytes: Uint8Array) => {
    await Deno.writeFile(node.at("archive"), bytes);
    return await node.crid("load", "--quiet", "-i", node.at("archive"));
  };
  /** Nothing of it is in the store, and nothing is left half done. */
  const refused = async (bytes: Uint8Array, why: RegExp) => {
    const { code, stderr } = await load(bytes);
    assert.equal(code, 1, stderr);
    assert.match(stderr, why);
    assert.equal(await node.ok("list", "--quiet"), "");
    for (const path of ["graph/overlay/tempdirs", "graph/overlay-layers/tmp", "big"]) {
      const left = Array.from(Deno.readDirSync(node.at(path))).filter(({ name }) =>
        !name.startsWith("lock-")
      );
      assert.deepEqual(left, [], path);
    }
  };

  it("that are good are loaded", async () => {
    const { code, stderr, stdout } = await load(dockerArchive());
    assert.equal(code, 0, stderr);
    assert.match(await node.ok("list"), /example\.com\/loaded +1/);
    await node.ok("remove", stdout.trim());
  });

  it("with layers that newer Dockers have compressed are loaded", async () => {
    const layer = tar([file("a", "b")]);
    const packed = dockerArchive({
      layerEntry: file("layer.tar", gzipSync(layer)),
      diffId: `sha256:${hex(layer)}`,
    });
    const { code, stderr, stdout } = await load(packed);
    assert.equal(code, 0, stderr);
    await node.ok("remove", stdout.trim());
  });

  for (
    const [what, bytes, why] of [
      ["are empty", new Uint8Array(), /no image archive/],
      ["are noise", crypto.getRandomValues(new Uint8Array(5000)), /broken layer archive/],
      ["are cut off", dockerArchive().slice(0, 900), /no image archive|cut off|too short/],
      ["hold no image", tar([file("x", "y")]), /no image archive/],
      ["have a manifest that is no JSON", dockerArchive({ manifest: "[{" }), /manifest\.json/],
      [
        "have a manifest of another form",
        dockerArchive({ manifest: `[{"Config":1}]` }),
        /not complete/,
      ],
      [
        "name a config outside",
        dockerArchive({
          manifest: `[{"Config":"../../../../etc/passwd","RepoTags":[],"Layers":["layer.tar"]}]`,
        }),
        /there is no/,
      ],
      [
        "link a layer to a file outside",
        dockerArchive({ layerEntry: symlink("layer.tar", "/etc/passwd") }),
        /there is no layer/,
      ],
      [
        "link a layer to itself",
        dockerArchive({ layerEntry: symlink("layer.tar", "layer.tar") }),
        /there is no layer/,
      ],
      [
        "have a layer that is not what its digest says",
        dockerArchive({ diffId: `sha256:${"0".repeat(64)}` }),
        /digest mismatch/,
      ],
      [
        "have a layer with an entry that leaves it",
        dockerArchive({ layer: tar([file("../../x", "y")]) }),
        /leaves the layer/,
      ],
      [
        "have a name that is none",
        dockerArchive({ tags: ["example.com/UPPER"] }),
        /image reference/,
      ],
      [
        "have a manifest that is too long",
        dockerArchive({ manifest: " ".repeat(2_000_000) }),
        /longer than the limit/,
      ],
    ] as const
  ) {
    it(`that ${what} are refused, and leave nothing`, () => refused(bytes, why));
  }

  it("that a policy rejects are refused", async () => {
    await node.writePolicy({
      default: [{ type: "insecureAcceptAnything" }],
      transports: { "docker-archive": { "": [{ type: "reject" }] } },
    });
    await refused(dockerArchive(), /SignatureValidationFailed: .*rejected by policy/);
    await node.writePolicy({ default: [{ type: "insecureAcceptAnything" }] });
  });

  it("in a directory are there when the socket is, and imported once", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-archives-" });
    try {
      await Deno.writeFile(`${directory}/a.tar.gz`, gzipSync(dockerArchive()));
      await Deno.writeTextFile(`${directory}/b.tar`, "this is none");
      await Deno.writeTextFile(`${directory}/README`, "this is not looked at");
      await using crid = await startCrid({
        settings: `[crio.image]\narchive_dir = ${JSON.stringify(directory)}\n`,
      });
      const list = async () => (await crid.client.image.listImages({})).images;
      assert.deepEqual((await list()).map((image) => image.repoTags), [["example.com/loaded:1"]]);
      assert.match(crid.log, /archive was not imported.*b\.tar/);
      assert.equal(crid.log.match(/imported images/g)?.length, 1);
      await crid.stop();
      await crid.start();
      assert.equal((await list()).length, 1);
      assert.equal(crid.log.match(/imported images/g)?.length, 1, "it was imported again");
      await crid.client.image.removeImage({ image: { image: "example.com/loaded:1" } });
      await crid.stop();
      await crid.start();
      assert.equal((await list()).length, 1, "it was removed and is not imported again");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});
