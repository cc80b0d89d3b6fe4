import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { pushTestImages } from "../../images/mod.ts";
import { type Registry, startRegistry } from "../../harness/registry.ts";
import { type CliNode, makeCliNode } from "./cli_node.ts";

const KINDS = ["oci", "zstd", "plain", "multi-arch", "whiteouts", "file-kinds"] as const;

const DOCKER: ReadonlySet<string> = new Set(["whiteouts", "file-kinds"]);

let registry: Registry;
let node: CliNode;

describe("images that crid and other tools hand to each other", () => {
  before(async () => {
    registry = await startRegistry();
    await pushTestImages(registry.url, KINDS.map((name) => `crid/${name}`));
  });
  after(() => registry[Symbol.asyncDispose]());

  const named = (name: string) => `${registry.host}/crid/${name}:latest`;
  const insecure = ["--tls-verify=false"];
  const digestAt = async (reference: string) =>
    await node.skopeo("inspect", ...insecure, "--format", "{{.Digest}}", `docker://${reference}`);

  for (const kind of KINDS) {
    it(`of the kind ${kind}, pulled by crid, are pushed, saved and removed by the others`, async () => {
      await using own = await makeCliNode([registry.host]);
      node = own;
      const name = named(kind);
      const id = await node.ok("pull", "--quiet", name);
      assert.match(await node.podman("images", "--no-trunc", "--quiet"), new RegExp(id));
      assert.match(await node.buildah("images", "--no-trunc", "--quiet"), new RegExp(id));
      const pushed = `${registry.host}/by-podman/${kind}:1`;
      await node.podman("push", ...insecure, name, pushed);
      assert.equal(await idAt(node, pushed), id);
      // podman writes no archives of Docker's with zstd.
      const format = kind === "zstd" ? "oci-archive" : "docker-archive";
      await node.podman("save", "--quiet", "--format", format, "-o", node.at("d"), name);
      await node.skopeo("copy", `containers-storage:${node.store}${name}`, `oci:${node.at("l")}:x`);
      await node.podman("rmi", name);
      assert.equal(await node.ok("list", "--quiet"), "");
      // What the others have written is read again.
      assert.equal(await node.ok("load", "--quiet", "--input", node.at("d")), id);
      const copied = await node.ok("pull", "--quiet", `oci:${node.at("l")}:x`);
      // skopeo writes Docker's configs anew, which makes another image of them.
      if (!DOCKER.has(kind)) assert.equal(copied, id);
      assert.match(await node.ok("list"), new RegExp(`crid/${kind}`));
    });

    it(`of the kind ${kind}, pulled by podman, are pushed, saved and removed by crid`, async () => {
      await using own = await makeCliNode([registry.host]);
      node = own;
      const name = named(kind);
      const id = await node.podman("pull", "--quiet", ...insecure, name);
      assert.equal(await node.ok("list", "--quiet"), id);
      const pushed = `${registry.host}/by-crid/${kind}:1`;
      const digest = await node.ok("push", "--quiet", name, pushed);
      assert.equal(await digestAt(pushed), digest);
      assert.equal(await idAt(node, pushed), id);
      await node.ok("save", "--quiet", "-o", node.at("o"), name);
      await node.ok("save", "--quiet", "--format", "docker-archive", "-o", node.at("d"), name);
      await node.ok("push", "--quiet", name, `oci:${node.at("l")}:x`);
      await node.ok("remove", name);
      assert.equal(await node.podman("images", "--quiet"), "");
      for (const archive of [`oci-archive:${node.at("o")}`, `oci:${node.at("l")}:x`]) {
        const copy = `containers-storage:${node.store}localhost/copy:latest`;
        await node.skopeo("copy", archive, copy);
        assert.equal(await node.podman("images", "--quiet", "--no-trunc"), `sha256:${id}`);
        await node.podman("rmi", "localhost/copy:latest");
      }
      assert.match(await node.podman("load", "--input", node.at("d")), new RegExp(name));
      assert.equal(await node.podman("images", "--quiet", "--no-trunc"), `sha256:${id}`);
    });
  }

  it("keep their manifest when everything is at the registry", async () => {
    await using own = await makeCliNode([registry.host]);
    node = own;
    for (const kind of ["oci", "zstd", "plain"]) {
      await node.ok("pull", "--quiet", named(kind));
      const digest = await node.ok(
        "push",
        "--quiet",
        named(kind),
        `${registry.host}/other/${kind}:2`,
      );
      assert.equal(digest, await digestAt(named(kind)));
    }
  });

  it("have the digest in an archive of docker save that podman gives them", async () => {
    await using theirs = await makeCliNode();
    await using own = await makeCliNode([registry.host]);
    node = own;
    await node.ok("pull", "--quiet", named("oci"));
    await node.ok(
      "save",
      "--quiet",
      "--format",
      "docker-archive",
      "-o",
      node.at("d"),
      named("oci"),
    );
    await theirs.podman("load", "--quiet", "--input", node.at("d"));
    await node.ok("remove", named("oci"));
    await node.ok("load", "--quiet", "-i", node.at("d"));
    const ours = JSON.parse(await node.ok("inspect", named("oci")))[0].Digest;
    assert.equal(await theirs.podman("images", "--format", "{{.Digest}}"), ours);
  });

  it("go from store to store, with the list they were pulled through", async () => {
    await using other = await makeCliNode();
    await using own = await makeCliNode([registry.host]);
    node = own;
    const id = await node.ok("pull", "--quiet", named("multi-arch"));
    const from = `containers-storage:${node.store}${named("multi-arch")}`;
    assert.equal(await other.ok("pull", "--quiet", from), id);
    const format = ["images", "--digests", "--format", "{{.Repository}} {{.Digest}}"];
    assert.equal(await other.podman(...format), await node.podman(...format));
    await other.podman("save", "--quiet", "--format", "oci-archive", "-o", other.at("o"), id);
  });

  it("come from archives that are compressed, and from a pipe", async () => {
    await using own = await makeCliNode([registry.host]);
    node = own;
    await node.ok("pull", "--quiet", named("oci"), named("plain"));
    await node.ok("save", "--quiet", "-o", node.at("o.tar"), named("oci"), named("plain"));
    const gzip = await new Deno.Command("gzip", { args: ["-k", node.at("o.tar")] }).output();
    assert.equal(gzip.code, 0);
    await node.ok("remove", named("oci"), named("plain"));
    const loaded = await node.ok("load", "--quiet", "-i", node.at("o.tar.gz"));
    assert.equal(loaded.split("\n").length, 2);
    assert.deepEqual(Array.from(Deno.readDirSync(node.at("big"))), []);
    const list = await node.ok("list");
    assert.match(list, /crid\/oci +latest/);
    assert.match(list, /crid\/plain +latest/);
  });

  it("can be mounted, tagged and pruned", async () => {
    await using own = await makeCliNode([registry.host]);
    node = own;
    const id = await node.ok("pull", "--quiet", named("oci"));
    const path = await node.ok("mount", named("oci"));
    assert.ok(Deno.statSync(`${path}/bin`).isDirectory);
    await node.ok("unmount", id.slice(0, 12));
    assert.throws(() => Deno.statSync(`${path}/bin`), Deno.errors.NotFound);
    await node.ok("tag", named("oci"), "localhost/mine:1");
    assert.match(await node.podman("images"), /localhost\/mine/);
    assert.match(await node.ok("prune"), /^0 images/);
    const container = await node.podman("create", "localhost/mine:1", "true");
    assert.match(await node.ok("prune", "--all"), /^0 images/);
    await node.podman("rm", container);
    assert.match(await node.ok("prune", "--all"), /Removed: [0-9a-f]{64} /);
    assert.equal(await node.podman("images", "--quiet"), "");
  });

  it("are told line by line where there is no terminal", async () => {
    await using own = await makeCliNode([registry.host]);
    const { stderr, stdout } = await own.crid("pull", named("oci"));
    assert.match(stderr, /Pulling layer [0-9a-f]{12}: done/);
    assert.match(stdout, /^[0-9a-f]{64}\n$/);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(stderr, /\x1b/);
  });

  it("run under podman when crid has loaded them", async () => {
    await using own = await makeCliNode([registry.host]);
    node = own;
    await node.ok("pull", "--quiet", named("oci"));
    const said = await node.podman(
      ...["run", "--rm", "--network", "none"],
      ...["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", named("oci")],
      ...["echo", "hello"],
    );
    assert.equal(said, "hello");
  });
});

async function idAt(node: CliNode, reference: string): Promise<string> {
  const raw = await node.skopeo("inspect", "--tls-verify=false", "--raw", `docker://${reference}`);
  return JSON.parse(raw).config.digest.replace("sha256:", "");
}
