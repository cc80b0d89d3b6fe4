import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { run } from "../../../src/linux/mod.ts";
import { pushTestImages } from "../../images/mod.ts";
import { type Registry, startRegistry } from "../../harness/registry.ts";
import { makePullNode } from "./pull_node.ts";

let registry: Registry;

describe("images pulled from a real registry", () => {
  before(async () => {
    registry = await startRegistry();
    await pushTestImages(
      registry.url,
      [
        ...["oci", "zstd", "plain", "docker-zstd", "multi-arch", "manifest-list", "other-arch"],
        ...["whiteouts", "many-layers", "file-kinds", "implicit-parents", "artifact", "hello"],
      ].map((name) => `crid/${name}`),
    );
    await pushChunked(registry, "crid/plain", "crid/zstd-chunked");
  });
  after(() => registry[Symbol.asyncDispose]());

  const node = () => makePullNode({ insecure: [registry.host] });
  const named = (name: string) => `${registry.host}/crid/${name}`;

  for (
    const name of [
      "oci",
      "zstd",
      "zstd-chunked",
      "plain",
      "docker-zstd",
      "multi-arch",
      "manifest-list",
      "file-kinds",
      "implicit-parents",
      "whiteouts",
      "many-layers",
    ]
  ) {
    it(`of the kind ${name} are the same to podman as if skopeo had pulled them`, async () => {
      await using here = await node();
      await using there = await node();
      const reference = `${named(name)}:latest`;
      const id = await here.pull(reference);
      const store = `containers-storage:[overlay@${there.root}/graph+${there.root}/run]`;
      await skopeo("copy", "--src-tls-verify=false", `docker://${reference}`, store + reference);
      const shown =
        "{{.ID}} {{.Digest}} {{.RepoTags}} {{.RepoDigests}} {{.Size}} {{.RootFS.Layers}}";
      const theirs = await there.podman("image", "inspect", "--format", shown, reference);
      const ours = await here.podman("image", "inspect", "--format", shown, reference);
      // The sizes of skopeo's copy include what it writes as empty signatures.
      assert.equal(ours, theirs);
      assert.match(ours, new RegExp(`^${id} `));
      const image = (await here.images.find(reference))!;
      assert.deepEqual(image.repoTags, [reference]);
      const digests = JSON.parse(
        await there.podman("image", "inspect", "--format", "{{json .RepoDigests}}", reference),
      );
      assert.deepEqual(new Set(image.repoDigests), new Set(digests));
      assert.deepEqual((await here.layers()).temporary, []);
      // Writing the image out again checks every byte of every layer against its digest.
      await here.podman("save", "--format", "oci-archive", "-o", `${here.root}/saved`, reference);
    });
  }

  it("by a digest have no tag, and exactly that digest", async () => {
    await using here = await node();
    const tagged = (await here.images.find(await here.pull(named("multi-arch"))))!;
    await using other = await node();
    const [first] = tagged.repoDigests;
    for (const digest of tagged.repoDigests) {
      await other.images.remove(tagged.id);
      const id = await other.pull(digest);
      assert.equal(id, tagged.id);
      const image = (await other.images.find(digest))!;
      assert.deepEqual(image.repoTags, []);
      assert.deepEqual(image.repoDigests, [digest]);
    }
    assert.ok(first);
  });

  it("are pulled once for many who ask at once, and removed by many at once", async () => {
    await using here = await node();
    const ids = await Promise.all(Array.from({ length: 8 }, () => here.pull(named("hello"))));
    assert.equal(new Set(ids).size, 1);
    await Promise.all(Array.from({ length: 5 }, () => here.images.remove(ids[0]!)));
    assert.deepEqual(await here.images.list(), []);
    assert.deepEqual(await here.layers(), { complete: [], temporary: [] });
    assert.equal(await here.podman("images", "-q"), "");
  });

  it("share their layers, also while both are being pulled", async () => {
    await using here = await node();
    const [one, two] = await Promise.all([here.pull(named("oci")), here.pull(named("zstd"))]);
    assert.notEqual(one, two);
    assert.equal((await here.layers()).complete.length, 3);
    await here.images.remove(one!);
    assert.equal((await here.layers()).complete.length, 2);
    assert.match(await here.podman("images", "--format", "{{.Repository}}"), /zstd/);
  });

  it("are listed, opened and removed as artifacts when they have files for layers", async () => {
    await using here = await node();
    const id = await here.pull(named("artifact"));
    const [image] = await here.images.list();
    assert.equal(image!.id, id);
    assert.deepEqual(image!.repoTags, [`${named("artifact")}:latest`]);
    assert.deepEqual(image!.repoDigests, [`${named("artifact")}@sha256:${id}`]);
    assert.equal(image!.artifactType, "application/vnd.crid.test");
    assert.equal((await here.images.find(id.slice(0, 12)))?.id, id);
    const directory = await here.images.artifactDirectory(id);
    assert.match(await Deno.readTextFile(`${directory}/profile.json`), /SCMP_ACT_ALLOW/);
    const layout = `oci:${here.root}/graph/artifacts:${named("artifact")}:latest`;
    const raw = await run("skopeo", ["inspect", "--raw", layout], { timeoutMs: 30_000 });
    assert.equal(raw.code, 0, String(raw.stderr));
    assert.deepEqual(await here.layers(), { complete: [], temporary: [] });
    // Again changes nothing.
    assert.equal(await here.pull(named("artifact")), id);
    assert.equal((await here.images.list()).length, 1);
    await here.images.remove(named("artifact"));
    assert.deepEqual(await here.images.list(), []);
    const blobs = Array.from(Deno.readDirSync(`${here.root}/graph/artifacts/blobs/sha256`));
    assert.deepEqual(blobs, []);
  });

  it("are pinned as artifacts by the same patterns as images, when these change, too", async () => {
    let patterns: readonly string[] = [];
    await using here = await makePullNode({ insecure: [registry.host], pinned: () => patterns });
    await here.pull(named("artifact"));
    const pins = async () => {
      const [listed] = await here.images.list();
      return [listed?.pinned, (await here.images.find(named("artifact")))?.pinned];
    };
    assert.deepEqual(await pins(), [false, false]);
    patterns = [`${registry.host}/crid/*`];
    assert.deepEqual(await pins(), [true, true]);
    patterns = ["elsewhere/*"];
    assert.deepEqual(await pins(), [false, false]);
  });

  it("of Docker schema 1 have the id that podman gives them, and run everywhere", async () => {
    await using here = await node();
    await using there = await node();
    const reference = `${named("schema1")}:latest`;
    const copy = async (...args: string[]) => {
      const { code, stderr } = await run("skopeo", ["copy", ...args], { timeoutMs: 60_000 });
      assert.equal(code, 0, new TextDecoder().decode(stderr as Uint8Array));
    };
    await copy(
      ...["--format", "v2s1", "--src-tls-verify=false", "--dest-tls-verify=false"],
      ...[`docker://${named("oci")}:latest`, `docker://${reference}`],
    );
    const raw = await fetch(`${registry.url}/v2/crid/schema1/manifests/latest`);
    assert.equal((await raw.json()).schemaVersion, 1);
    const id = await here.pull(reference);
    const store = `containers-storage:[overlay@${there.root}/graph+${there.root}/run]`;
    await copy("--src-tls-verify=false", `docker://${reference}`, store + reference);
    assert.equal(await there.podman("images", "--quiet", "--no-trunc"), `sha256:${id}`);
    await here.podman("save", "--format", "oci-archive", "-o", `${here.root}/saved`, reference);
    const image = (await here.images.find(reference))!;
    const digests = image.repoDigests.map((name) => name.split("@")[1]);
    assert.ok(digests.includes(raw.headers.get("docker-content-digest")!), digests.join(" "));
    for (const digest of [raw.headers.get("docker-content-digest")]) {
      assert.equal(await here.pull(`${named("schema1")}@${digest}`), id);
    }
  });

  it("are refused when they are of another architecture, or no images at all", async () => {
    await using here = await node();
    await assert.rejects(
      () => here.pull(named("other-arch")),
      (error) => isCode(error, "not_found") && /linux\/s390x/.test(error.message),
    );
    await assert.rejects(
      () => here.pull(named("nothing")),
      (error) => isCode(error, "not_found"),
    );
    assert.deepEqual(await here.layers(), { complete: [], temporary: [] });
  });

  it("need the right credentials where the registry asks for them", async () => {
    const storage = await Deno.makeTempDir({ prefix: "crid-registry-storage-" });
    try {
      {
        await using open = await startRegistry({ storage });
        await pushTestImages(open.url, ["crid/oci"]);
      }
      // bcrypt of "let me in".
      const htpasswd = "tester:$2b$04$WAcQ4L4nWvj.jSPXHNtp/eDe9v1bBL7jMF.Ys4/zXtV0qIMsvZhoa";
      await using closed = await startRegistry({ storage, htpasswd });
      await using here = await makePullNode({ insecure: [closed.host] });
      const reference = `${closed.host}/crid/oci`;
      const auth = {
        username: "tester",
        password: "let me in",
        auth: "",
        serverAddress: "",
        identityToken: "",
        registryToken: "",
      };
      const denied = (error: unknown) => isCode(error, "unauthenticated");
      const pull = (password: string) =>
        here.images.pull({ reference, auth: { ...auth, password }, namespace: "" });
      await assert.rejects(() => here.pull(reference), denied);
      await assert.rejects(() => pull("let me out"), denied);
      await pull("let me in");
      await here.images.remove(reference);
      await Deno.writeTextFile(
        `${here.root}/etc/auth.json`,
        JSON.stringify({ auths: { [`${closed.host}/crid`]: { auth: btoa("tester:let me in") } } }),
      );
      await here.pull(reference);
    } finally {
      await Deno.remove(storage, { recursive: true });
    }
  });

  it("that are given up leave nothing", async () => {
    await using here = await node();
    for (const milliseconds of [0, 5, 20, 60]) {
      const signal = AbortSignal.timeout(milliseconds);
      await here.pull(named("many-layers"), signal).catch(() => {});
      assert.deepEqual((await here.layers()).temporary, [], `after ${milliseconds} ms`);
    }
    await here.pull(named("many-layers"));
  });

  it("fail when the isolates die in the middle, leave nothing, and work when tried again", async () => {
    await using here = await node();
    const pull = here.pull(named("many-layers"));
    pull.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    here.killIsolates();
    const outcome = await pull.then(() => undefined, (error) => error);
    // It may have been done by then.
    assert.ok(outcome === undefined || isCode(outcome, "unavailable"), String(outcome));
    assert.deepEqual((await here.layers()).temporary, []);
    await here.pull(named("many-layers"));
  });

  it("run in podman", async () => {
    await using here = await node();
    await here.pull(named("whiteouts"));
    const listed = await here.podman(
      ...["run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024"],
      ...["--ulimit", "nproc=1024:1024", `${named("whiteouts")}:latest`],
      ...["sh", "-c", "cat kept back replaced; ls opaque; ls -d gone gone-dir 2>&1 | wc -l"],
    );
    assert.equal(listed, "lower\nupper\nmiddle\nnew\n2");
  });
});

/** Pushes an image again, its layers as zstd:chunked: many frames, and some without data at the end. */
async function pushChunked({ host }: Registry, from: string, to: string): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "crid-chunked-" });
  try {
    const layout = `oci:${directory}:chunked`;
    const format = ["--dest-compress-format", "zstd:chunked"];
    await skopeo("copy", ...format, "--src-tls-verify=false", `docker://${host}/${from}`, layout);
    await skopeo("copy", "--dest-tls-verify=false", layout, `docker://${host}/${to}:latest`);
    const pushed = `docker://${host}/${to}`;
    const manifest = await skopeo("inspect", "--raw", "--tls-verify=false", pushed);
    assert.match(manifest, /zstd-chunked\.manifest-position/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What skopeo remembers of blobs that it saw on this host would have it push another form of a layer. */
const FORGETFUL = [
  ...["--mount", "--propagation", "private", "sh", "-c"],
  'mkdir -p "$0" && mount -t tmpfs tmpfs "$0" && exec skopeo "$@"',
  "/var/lib/containers/cache",
];

async function skopeo(...args: string[]): Promise<string> {
  const options = { timeoutMs: 60_000 };
  const { code, stdout, stderr } = await run("unshare", [...FORGETFUL, ...args], options);
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr as Uint8Array));
  return text.decode(stdout as Uint8Array);
}
