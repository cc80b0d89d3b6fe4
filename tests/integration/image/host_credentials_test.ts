import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { pushTestImages } from "../../images/mod.ts";
import { type Registry, startRegistry } from "../../harness/registry.ts";
import { type CliNode, makeCliNode } from "./cli_node.ts";

/** bcrypt of "let me in". */
const HTPASSWD = "tester:$2b$04$WAcQ4L4nWvj.jSPXHNtp/eDe9v1bBL7jMF.Ys4/zXtV0qIMsvZhoa";

let registry: Registry;
let node: CliNode;
let image: string;
let storage: string;

describe("credentials that the host has for a pull", () => {
  before(async () => {
    storage = await Deno.makeTempDir({ prefix: "crid-blobs-" });
    {
      await using open = await startRegistry({ storage });
      await pushTestImages(open.url, ["crid/oci"]);
    }
    registry = await startRegistry({ storage, htpasswd: HTPASSWD });
    node = await makeCliNode([registry.host]);
    image = `${registry.host}/crid/oci:latest`;
    await Deno.mkdir(node.at("bin"));
    await Deno.writeTextFile(
      node.at("bin/docker-credential-test"),
      `#!/bin/sh\nread -r registry\necho "$registry" >> ${node.at("asked")}\n` +
        `echo '{"ServerURL":"x","Username":"tester","Secret":"let me in"}'\n`,
      { mode: 0o755 },
    );
    Deno.env.set("PATH", `${node.at("bin")}:${Deno.env.get("PATH")}`);
  });
  after(async () => {
    await node[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await Deno.remove(storage, { recursive: true });
  });

  it("come from the helper that an auth file names", async () => {
    const authfile = node.at("auth.json");
    await Deno.writeTextFile(authfile, "{}");
    const without = await node.crid("pull", "--quiet", "--authfile", authfile, image);
    assert.match(without.stderr, /requires a user name and password/);
    await Deno.writeTextFile(
      authfile,
      JSON.stringify({ credHelpers: { [registry.host]: "test" } }),
    );
    await node.ok("pull", "--quiet", "--authfile", authfile, image);
    assert.equal(await Deno.readTextFile(node.at("asked")), `${registry.host}\n`);
    await node.ok("remove", image);
  });

  it("come from the helpers of registries.conf, the first that has some", async () => {
    const conf = await Deno.readTextFile(node.at("registries.conf"));
    await Deno.writeTextFile(
      node.at("registries.conf"),
      `credential-helpers = ["missing", "test"]\n${conf}`,
    );
    const { code, stderr } = await node.crid("pull", "--quiet", image);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /credential helper failed.*docker-credential-missing/);
    await node.ok("remove", image);
    await Deno.writeTextFile(node.at("registries.conf"), conf);
  });

  it("come from a file for the namespace, which is used up", async () => {
    const auth = btoa("tester:let me in");
    const name = createHash("sha256").update(`${registry.host}/crid/oci`).digest("hex");
    const directory = node.at("auth");
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(
      node.at("crio.conf"),
      `[crio.image]\nnamespaced_auth_dir = "${directory}"\n`,
    );
    const path = `${directory}/team-${name}.json`;
    await Deno.writeTextFile(path, JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const other = await node.crid("pull", "--quiet", "--namespace", "other", image);
    assert.equal(other.code, 1);
    await node.ok("pull", "--quiet", "--namespace", "team", image);
    await assert.rejects(() => Deno.stat(path), Deno.errors.NotFound);
    assert.deepEqual(Array.from(Deno.readDirSync(`${directory}/in-use`)), []);
  });
});
