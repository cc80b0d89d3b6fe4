import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { isCode } from "../../../src/failure/mod.ts";
import { REF_NAME } from "../../../src/image/artifact/artifact_layout.ts";
import { ArtifactStore } from "../../../src/image/artifact/artifact_store.ts";
import { sendBlob } from "../../../src/image/blob_stream.ts";
import type { RegistryPeer, ResolvedImage } from "../../../src/image/types.ts";

const NEVER = new AbortController().signal;
const bytes = (text: string) => new TextEncoder().encode(text);
const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** An artifact with one file of this content. */
function artifact(name: string, content: string): ResolvedImage {
  const config = "{}";
  const layer = {
    digest: sha256(content),
    size: content.length,
    mediaType: "text/plain",
    annotations: { "org.opencontainers.image.title": "dir/file.txt" },
    urls: [],
  };
  const manifest = JSON.stringify({
    schemaVersion: 2,
    artifactType: "application/vnd.test",
    config: { digest: sha256(config), size: 2, mediaType: "application/vnd.oci.empty.v1+json" },
    layers: [layer],
  });
  return {
    session: 1,
    name,
    digest: sha256(manifest),
    manifest: bytes(manifest),
    manifestDigest: sha256(manifest),
    list: undefined,
    config: bytes(config),
    configDigest: sha256(config),
    layers: [layer],
    artifactType: "application/vnd.test",
  };
}

/** Serves the content of every artifact that it is told of. */
class Registry {
  readonly contents = new Map<string, string>();
  fetched = 0;

  readonly peer = {
    fetchBlob: ({ blob, port }, signal) =>
      sendBlob(
        port,
        async function* (this: Registry) {
          this.fetched++;
          yield await Promise.resolve(bytes(this.contents.get(blob.digest)!));
        }.bind(this),
        signal,
      ),
  } as Pick<RegistryPeer, "fetchBlob"> as RegistryPeer;

  pull(store: ArtifactStore, name: string, content: string): Promise<string> {
    this.contents.set(sha256(content), content);
    return store.pull(artifact(name, content), this.peer, NEVER);
  }
}

describe("an artifact store", () => {
  let root: string;
  let registry: Registry;
  beforeEach(async () => {
    root = await Deno.makeTempDir({ prefix: "crid-artifacts-" });
    registry = new Registry();
  });
  afterEach(() => Deno.remove(root, { recursive: true }));

  const at = async (name: string) => {
    await Deno.mkdir(join(root, name), { recursive: true });
    return join(root, name);
  };

  it("loses nothing when several change it at once", async () => {
    const graph = await at("graph");
    // One object for each process: what they share is the lock on the disk.
    const stores = Array.from({ length: 4 }, () => new ArtifactStore(graph));
    const shared = Array.from({ length: 6 }, (_, round) => `content ${round}`);
    await Promise.all(stores.map(async (store, owner) => {
      for (const [round, content] of shared.entries()) {
        const id = await registry.pull(store, `h.io/shared:${owner}-${round}`, content);
        await registry.pull(store, `h.io/own-${owner}:${round}`, `${owner} ${round}`);
        if (round % 2 === 1) await store.remove(id, `h.io/shared:${owner}-${round}`);
      }
    }));
    const [store] = stores;
    const names = (await store!.list()).flatMap(({ repoTags }) => repoTags);
    assert.equal(names.length, 4 * (6 + 3), names.join(" "));
    for (const { id } of await store!.list()) {
      assert.ok(Deno.statSync(join(await store!.directory(id), "dir/file.txt")).isFile);
    }
    for (const { id } of await store!.list()) await store!.remove(id, undefined);
    assert.deepEqual([...Deno.readDirSync(join(graph, "artifacts/blobs/sha256"))], []);
    assert.deepEqual([...Deno.readDirSync(join(graph, "artifacts/tmp"))], []);
  });

  it("lists nothing of a damaged index, which is left as it is", async () => {
    await Deno.mkdir(join(root, "artifacts"), { recursive: true });
    const index = join(root, "artifacts/index.json");
    const store = new ArtifactStore(root);
    for (const text of ["", "{", "null"]) {
      await Deno.writeTextFile(index, text);
      assert.deepEqual(await store.list(), []);
      await assert.rejects(registry.pull(store, "h.io/a:1", "content"), /index\.json/);
      assert.equal(await Deno.readTextFile(index), text);
    }
  });

  it("takes no name from a tag alone, as skopeo writes it, and tells of the artifact all the same", async () => {
    const store = new ArtifactStore(root);
    const id = await registry.pull(store, "h.io/model:1.14.4", "content");
    const index = join(root, "artifacts/index.json");
    const text = await Deno.readTextFile(index);
    for (const name of ["1.14.4", "h.io/NOT:a/name", undefined]) {
      const written = JSON.parse(text);
      written.manifests[0].annotations = { [REF_NAME]: name };
      await Deno.writeTextFile(index, JSON.stringify(written));
      const [{ repoTags, repoDigests } = { repoTags: undefined, repoDigests: undefined }] =
        await store.list();
      assert.deepEqual([repoTags, repoDigests], [[], [`unknown@sha256:${id}`]], `${name}`);
    }
  });

  it("finds what additional stores have, pins it, and never changes them", async () => {
    const [own, other] = [await at("own"), await at("other")];
    const id = await registry.pull(new ArtifactStore(other), "h.io/policy:1", "from elsewhere");
    const before = registry.fetched;
    const store = new ArtifactStore(own, ["/nonexistent", other]);
    assert.equal(await store.present("h.io/policy:1"), id);
    assert.equal(await store.present("h.io/policy:2"), undefined);
    const [image] = await store.list();
    assert.deepEqual(image?.repoTags, ["h.io/policy:1"]);
    assert.equal(image?.pinned, true);
    const path = await store.directory(id);
    assert.equal(Deno.readTextFileSync(join(path, "dir/file.txt")), "from elsewhere");
    await assert.rejects(
      store.remove(id, undefined),
      (error) => isCode(error, "failed_precondition") && error.message.includes(other),
    );
    const mine = await registry.pull(store, "h.io/mine:1", "mine");
    await store.remove(mine, undefined);
    assert.equal(
      Deno.readTextFileSync(join(path, "dir/file.txt")),
      "from elsewhere",
      "still there",
    );
    assert.equal(registry.fetched, before + 1);
    // In both it is one image, with the names of both.
    await registry.pull(store, "h.io/copy:1", "from elsewhere");
    const [both, ...rest] = await store.list();
    assert.deepEqual(rest, []);
    assert.deepEqual(both?.repoTags.toSorted(), ["h.io/copy:1", "h.io/policy:1"]);
    await store.remove(id, undefined);
    assert.deepEqual((await store.list()).flatMap(({ repoTags }) => repoTags), ["h.io/policy:1"]);
    // From there alone it can be mounted, too.
    await Deno.remove(path, { recursive: true });
    await store.directory(id);
    assert.equal(Deno.readTextFileSync(join(path, "dir/file.txt")), "from elsewhere");
    assert.deepEqual([...Deno.readDirSync(join(own, "artifacts/blobs/sha256"))], []);
    await Deno.writeTextFile(join(other, "artifacts/index.json"), "garbage");
    assert.deepEqual(await store.list(), []);
  });

  it("leaves nothing when a file is not what its digest says, or the pull is given up", async () => {
    const store = new ArtifactStore(await at("graph"));
    registry.contents.set(sha256("right"), "wrong");
    await assert.rejects(store.pull(artifact("h.io/a:1", "right"), registry.peer, NEVER));
    const given = AbortSignal.abort(new Error("given up"));
    await assert.rejects(store.pull(artifact("h.io/a:1", "right"), registry.peer, given));
    assert.deepEqual(await store.list(), []);
    assert.deepEqual([...Deno.readDirSync(join(root, "graph/artifacts/tmp"))], []);
  });
});
