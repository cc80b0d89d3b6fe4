import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { helperProgram } from "./helpers.ts";
import { run } from "../../../src/linux/mod.ts";

const program = await helperProgram();
const text = new TextDecoder();

async function pinns(...args: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stdout, stderr } = await run(program, ["pinns", ...args]);
  assert.equal(stdout.length, 0, "pinns says nothing on standard output");
  return { code, stderr: text.decode(stderr) };
}

async function inNamespace(kind: string, path: string, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("nsenter", [`--${kind}=${path}`, ...command]);
  assert.equal(code, 0, text.decode(stderr));
  return text.decode(stdout);
}

async function mountsBelow(directory: string): Promise<string[]> {
  const lines = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").filter((path) =>
    path.startsWith(`${directory}/`)
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

describe("pinns", () => {
  let dir = "";

  beforeEach(async () => {
    dir = await Deno.makeTempDir({ prefix: "crid-pinns-" });
  });

  afterEach(async () => {
    for (const mount of (await mountsBelow(dir)).reverse()) await run("umount", ["-l", mount]);
    await Deno.remove(dir, { recursive: true });
  });

  it("pins every kind it is asked for, and no other", async () => {
    assert.deepEqual(await pinns("-d", dir, "-f", "pod", "--uts", "--ipc", "--net", "--cgroup"), {
      code: 0,
      stderr: "",
    });
    assert.deepEqual(
      (await mountsBelow(dir)).sort(),
      ["cgroupns", "ipcns", "netns", "utsns"].map((kind) => join(dir, kind, "pod")),
    );
  });

  it("knows the kinds by their letters, too", async () => {
    assert.deepEqual(await pinns("-d", dir, "-f", "pod", "-uinm", "-c"), { code: 0, stderr: "" });
    const pins = ["cgroupns/pod", "ipcns/pod", "mntns", "mntns/pod", "netns/pod", "utsns/pod"];
    assert.deepEqual((await mountsBelow(dir)).sort(), pins.map((pin) => join(dir, pin)));
  });

  it("makes new namespaces, and pins its own for =host", async () => {
    await pinns("-d", dir, "-f", "pod", "--uts", "--ipc=host", "--net=host");
    const inode = async (path: string) => (await Deno.stat(path)).ino;
    assert.equal(await inode(join(dir, "ipcns/pod")), await inode("/proc/self/ns/ipc"));
    assert.equal(await inode(join(dir, "netns/pod")), await inode("/proc/self/ns/net"));
    assert.notEqual(await inode(join(dir, "utsns/pod")), await inode("/proc/self/ns/uts"));
  });

  it("creates the directory when only its last part is missing", async () => {
    assert.equal((await pinns("-d", join(dir, "new"), "-f", "pod", "--uts")).code, 0);
    assert.equal((await pinns("-d", join(dir, "a/b"), "-f", "pod", "--uts")).code, 1);
  });

  it("writes sysctls into the new namespaces only", async () => {
    const before = await Deno.readTextFile("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    const { code } = await pinns(
      ...["-d", dir, "-f", "pod", "--net", "--ipc"],
      ...["-s", "net.ipv4.ip_unprivileged_port_start=77", "--sysctl=kernel.msgmax=4096"],
    );
    assert.equal(code, 0);
    const port = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    assert.equal(await inNamespace("net", join(dir, "netns/pod"), "cat", port), "77\n");
    const msgmax = "/proc/sys/kernel/msgmax";
    assert.equal(await inNamespace("ipc", join(dir, "ipcns/pod"), "cat", msgmax), "4096\n");
    assert.equal(await Deno.readTextFile(port), before);
  });

  it("pins nothing when a sysctl is refused, and says which", async () => {
    const { code, stderr } = await pinns("-d", dir, "-f", "pod", "--net", "-s", "net.no.such=1");
    assert.equal(code, 1);
    assert.match(stderr, /^\[pinns:e\]: .*net\.no\.such=1/);
    assert.deepEqual(await mountsBelow(dir), []);
  });

  it("brings the loopback interface up only when asked to", async () => {
    await pinns("-d", dir, "-f", "up", "--net", "--loopback");
    await pinns("-d", dir, "-f", "down", "--net");
    const show = ["ip", "-o", "link", "show", "lo"];
    assert.match(await inNamespace("net", join(dir, "netns/up"), ...show), /LOOPBACK,UP/);
    assert.doesNotMatch(await inNamespace("net", join(dir, "netns/down"), ...show), /,UP/);
  });

  it("maps ids in a new user namespace that owns the others", async () => {
    const { code, stderr } = await pinns(
      ...["-d", dir, "-f", "pod", "--user", "--net", "--ipc", "--uts", "--loopback"],
      "--uid-mapping=0-100000-65536@70000-5-1",
      "--gid-mapping=0-200000-65536",
      ...["-s", "net.ipv4.ping_group_range=0 65535"],
    );
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const user = join(dir, "userns/pod");
    const map = (await inNamespace("user", user, "cat", "/proc/self/uid_map")).trim();
    assert.deepEqual(map.split("\n").map((line) => line.trim().split(/\s+/)), [
      ["0", "100000", "65536"],
      ["70000", "5", "1"],
    ]);
    // Only root of the owning user namespace may configure the network.
    const { code: owned } = await run("nsenter", [
      ...[`--user=${user}`, `--net=${join(dir, "netns/pod")}`],
      ...["ip", "link", "set", "lo", "down"],
    ]);
    assert.equal(owned, 0);
  });

  it("demands both mappings with --user and neither without", async () => {
    assert.equal((await pinns("-d", dir, "-f", "pod", "--user")).code, 1);
    assert.equal(
      (await pinns("-d", dir, "-f", "pod", "--user", "--uid-mapping=0-1-1")).code,
      1,
    );
    assert.equal((await pinns("-d", dir, "-f", "pod", "--net", "--uid-mapping=0-1-1")).code, 1);
  });

  it("reports a mapping that the kernel refuses and leaves nothing", async () => {
    const { code, stderr } = await pinns(
      ...["-d", dir, "-f", "pod", "--user", "--net"],
      ...["--uid-mapping=0-0-0", "--gid-mapping=0-100000-10"],
    );
    assert.equal(code, 1);
    assert.match(stderr, /0-0-0.*Invalid argument/);
    assert.deepEqual(await mountsBelow(dir), []);
  });

  it("pins a mount namespace below an unbindable directory, once", async () => {
    for (const name of ["a", "b"]) {
      const { code, stderr } = await pinns("-d", dir, "-f", name, "--mnt");
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    }
    const mounts = await mountsBelow(dir);
    assert.equal(mounts.filter((path) => path === join(dir, "mntns")).length, 1);
    assert.ok(mounts.includes(join(dir, "mntns/a")) && mounts.includes(join(dir, "mntns/b")));
  });

  it("replaces a pin of the same name instead of stacking on it", async () => {
    await pinns("-d", dir, "-f", "pod", "--uts");
    const first = (await Deno.stat(join(dir, "utsns/pod"))).ino;
    await pinns("-d", dir, "-f", "pod", "--uts");
    assert.notEqual((await Deno.stat(join(dir, "utsns/pod"))).ino, first);
    assert.equal((await mountsBelow(dir)).length, 1);
  });

  it("keeps a target file that the caller has made", async () => {
    await Deno.mkdir(join(dir, "utsns"));
    await Deno.writeTextFile(join(dir, "utsns/pod"), "");
    await Deno.chown(join(dir, "utsns/pod"), 4242, 4242);
    assert.equal((await pinns("-d", dir, "-f", "pod", "--uts")).code, 0);
    await run("umount", [join(dir, "utsns/pod")]);
    assert.equal((await Deno.stat(join(dir, "utsns/pod"))).uid, 4242);
  });

  it("takes earlier pins back when a later one fails", async () => {
    await Deno.writeTextFile(join(dir, "netns"), "not a directory");
    const { code, stderr } = await pinns("-d", dir, "-f", "pod", "--uts", "--ipc", "--net");
    assert.equal(code, 1);
    assert.match(stderr, /netns\/pod/);
    assert.deepEqual(await mountsBelow(dir), []);
    assert.equal(await exists(join(dir, "utsns/pod")), false);
    assert.equal(await exists(join(dir, "ipcns/pod")), false);
  });

  it("removes pins, stacked ones too, and twice is no error", async () => {
    await pinns("-d", dir, "-f", "pod", "--uts", "--ipc", "--net");
    const uts = join(dir, "utsns/pod");
    await run("mount", ["--bind", "/proc/self/ns/uts", uts]);
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await pinns("-d", dir, "-f", "pod", "--remove"), { code: 0, stderr: "" });
      assert.deepEqual(await mountsBelow(dir), []);
      assert.equal(await exists(uts), false);
    }
    assert.equal((await pinns("-d", join(dir, "gone"), "-f", "pod", "--remove")).code, 0);
  });

  it("removes only the kinds that are named", async () => {
    await pinns("-d", dir, "-f", "pod", "--uts", "--ipc");
    await pinns("-d", dir, "-f", "pod", "--remove", "--uts");
    assert.deepEqual(await mountsBelow(dir), [join(dir, "ipcns/pod")]);
  });

  for (
    const [args, pattern] of [
      [["-f", "pod", "--uts"], /-d DIR is required/],
      [["-d", "/tmp", "--uts"], /-f NAME is required/],
      [["-d", "/tmp", "-f", "pod"], /no namespace/],
      [["-d", "/tmp", "-f", "../pod", "--uts"], /not a file name/],
      [["-d", "/tmp", "-f", "pod", "--net=other"], /no value but `host`/],
      [["-d", "/tmp", "-f", "pod", "--net", "-s", "novalue"], /not KEY=VALUE/],
      [["-d", "/tmp", "-f", "pod", "--bogus"], /usage/],
    ] as const
  ) {
    it(`refuses ${args.join(" ")}`, async () => {
      const { code, stderr } = await pinns(...args);
      assert.equal(code, 1);
      assert.match(stderr, pattern);
    });
  }
});
