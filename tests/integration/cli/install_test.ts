import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { dirname, join } from "@std/path";

const ENTRY = new URL("../../../mod.ts", import.meta.url).pathname;

const UNIT = "/etc/systemd/system/crid.service";
const PROGRAM = "/usr/local/bin/crid";

describe("crid install", () => {
  let directory: string;
  let root: string;
  let own: string;

  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-install-" });
    root = join(directory, "root");
    own = join(directory, "built");
    await Deno.writeTextFile(own, "the built program");
    await put("/usr/sbin/runc", "");
    await put("/usr/lib/cni/bridge", "");
  });

  afterEach(() => Deno.remove(directory, { recursive: true }));

  const read = (path: string) => Deno.readTextFile(join(root, path));

  async function put(path: string, text: string): Promise<void> {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
  }

  async function crid(
    before: readonly string[],
    ...args: readonly string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const none = ["-c", "", "-d", ""];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      // From source: the built file says by itself where it is, and is 100 MB to copy.
      args: [
        "run",
        "--allow-all",
        "--no-prompt",
        ENTRY,
        ...none,
        ...before,
        ...args,
        "--root",
        root,
      ],
      // The launcher tells the program where the file is that it came from.
      env: { CRID_SELF: own },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  it("puts the program, its service and every missing configuration on a bare node", async () => {
    const { code, stdout } = await crid([], "install");
    assert.equal(code, 0, stdout);
    assert.equal(await read(PROGRAM), "the built program");
    assert.equal((await Deno.stat(join(root, PROGRAM))).mode! & 0o777, 0o755);
    const unit = await read(UNIT);
    assert.match(unit, /^Type=notify$/m);
    assert.match(unit, /^ExecStart=\/usr\/local\/bin\/crid \$CRIO_CONFIG_OPTIONS/m);
    assert.match(unit, /^WatchdogSec=60s$/m);
    assert.match(unit, /^Alias=crio\.service$/m);
    assert.match(await read("/etc/crictl.yaml"), /runtime-endpoint: unix:\/\/\/var\/run\/crio/);
    JSON.parse(await read("/etc/containers/policy.json"));
    assert.match(await read("/etc/containers/registries.conf"), /unqualified-search-registries/);
    const network = JSON.parse(await read("/etc/cni/net.d/11-crid-ipv4-bridge.conflist"));
    assert.equal(network.plugins[0].type, "bridge");
    assert.equal(stdout.match(/^written/gm)?.length, 7, stdout);
  });

  it("writes a configuration that names what this host has", async () => {
    await crid(["--cgroup-manager=cgroupfs"], "install");
    const conf = await read("/etc/crio/crio.conf");
    assert.match(conf, /^default_runtime = "runc"$/m);
    assert.match(conf, /^\[crio\.runtime\.runtimes\.runc\]$/m);
    assert.doesNotMatch(conf, /^\[crio\.runtime\.runtimes\.crun\]$/m);
    assert.match(conf, /^cgroup_manager = "cgroupfs"$/m);
    assert.match(conf, /^plugin_dirs = \[\n\t"\/opt\/cni\/bin\/",\n\t"\/usr\/lib\/cni\/",\n\]$/m);
  });

  it("keeps configuration that is there, and a network by another name", async () => {
    await put("/etc/crio/crio.conf", "# mine\n");
    await put("/etc/containers/policy.json", "{}");
    await put("/etc/cni/net.d/05-calico.conflist", "{}");
    for (const flags of [[], ["--yes"]]) {
      const { code, stdout } = await crid([], "install", ...flags);
      assert.equal(code, 0);
      assert.match(stdout, /^kept as it is {2}\S+\/etc\/crio\/crio\.conf$/m);
      assert.equal(await read("/etc/crio/crio.conf"), "# mine\n");
      assert.equal(await read("/etc/containers/policy.json"), "{}");
      const networks = Array.from(Deno.readDirSync(join(root, "etc/cni/net.d")));
      assert.deepEqual(networks.map(({ name }) => name), ["05-calico.conflist"]);
    }
  });

  it("changes nothing where another program is and nobody can be asked", async () => {
    await put(PROGRAM, "an older program");
    const { code, stdout, stderr } = await crid([], "install");
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /not installed: \S+usr\/local\/bin\/crid differ.*--yes/);
    assert.equal(await read(PROGRAM), "an older program");
    await assert.rejects(read(UNIT));
    await assert.rejects(read("/etc/crio/crio.conf"));
  });

  for (const flag of ["--yes", "-y", "--force"]) {
    it(`replaces another program and service when told so by ${flag}`, async () => {
      await put(PROGRAM, "an older program");
      await put(UNIT, "an older service");
      const { code, stdout } = await crid([], "install", flag);
      assert.equal(code, 0);
      assert.equal(stdout.match(/^replaced {7}\S+\/crid(\.service)?$/gm)?.length, 2, stdout);
      assert.equal(await read(PROGRAM), "the built program");
      assert.match(await read(UNIT), /^Type=notify$/m);
    });
  }

  it("changes nothing the second time", async () => {
    await crid([], "install");
    const { code, stdout } = await crid([], "install");
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /^(written|replaced)/m);
  });

  it("only says what it would do on a dry run", async () => {
    await put(UNIT, "an older service");
    const { code, stdout } = await crid([], "install", "--dry-run");
    assert.equal(code, 0);
    assert.equal(stdout.match(/^would write/gm)?.length, 6, stdout);
    assert.match(stdout, /^would ask {6}\S+crid\.service$/m);
    assert.match((await crid([], "install", "--dry-run", "--yes")).stdout, /^would replace/m);
    await assert.rejects(read(PROGRAM));
    assert.equal(await read(UNIT), "an older service");
  });

  it("says what the node still needs, and nothing of what it has", async () => {
    const some = await crid([], "install");
    assert.match(some.stdout, /^This node still needs\n {2}- iptables, /m);
    assert.doesNotMatch(some.stdout, /OCI runtime|CNI plugins/);
    for (const path of ["/usr/sbin/runc", "/usr/lib/cni/bridge"]) {
      await Deno.remove(join(root, path));
    }
    const none = await crid([], "install");
    assert.match(none.stdout, /an OCI runtime: crun or runc/);
    assert.match(none.stdout, /CNI plugins in \/opt\/cni\/bin/);
    await put("/usr/bin/crun", "");
    await put("/opt/cni/bin/bridge", "");
    await put("/usr/sbin/iptables", "");
    const all = await crid([], "install");
    assert.equal(all.code, 0);
    assert.doesNotMatch(all.stdout, /still needs/);
    assert.match(all.stdout, /systemctl --root=\S+ enable crid$/m);
  });

  it("leaves no half-written file when a directory cannot be made", async () => {
    await put("/usr/local/bin", "a file where the directory should be");
    const { code, stderr } = await crid([], "install");
    assert.equal(code, 1);
    assert.match(stderr, /install .*\/usr\/local\/bin\/crid/);
  });

  it("is taken back by uninstall, which leaves the configuration", async () => {
    await crid([], "install");
    const { code } = await crid([], "uninstall");
    assert.equal(code, 0);
    await assert.rejects(read(PROGRAM));
    await assert.rejects(read(UNIT));
    assert.match(await read("/etc/crio/crio.conf"), /crio\.runtime/);
    assert.match((await crid([], "uninstall")).stdout, /^not there/m);
  });
});
