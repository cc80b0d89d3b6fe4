import { after, afterEach, before, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { buildLauncher } from "../../../scripts/build/launcher.ts";
import { run } from "../../../src/linux/mod.ts";

/** A shell stands in for the runtime: a dynamic program that shows what it was started with. */
const SCRIPT = `
case "$1" in
  args) shift; printf '%s\\n' "$0" "$@" ;;
  env) printenv "$2" || /usr/bin/printenv "$2" ;;
  exit) exit "$2" ;;
  wait) trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done ;;
  cat) while read -r line; do echo "$line"; done ;;
  file) while read -r line; do echo "$line"; done < "$CRID_FILES/greeting" ;;
  self) echo "$CRID_SELF $CRID_NATIVE_DIR" ;;
esac
`;
const text = new TextDecoder();

describe("launcher", () => {
  let shared = "";
  let program = "";
  let dir = "";
  let mounted: string[] = [];

  before(async () => {
    shared = await Deno.makeTempDir({ prefix: "crid-launcher-" });
    program = join(shared, "crid");
    await buildLauncher({
      out: program,
      program: "/bin/dash",
      arguments: ["-c", SCRIPT, "shell"],
      variables: ["CRID_FILES=%/data"],
      files: new Map([["data/greeting", new TextEncoder().encode("hello\n")]]),
    });
  });

  after(() => Deno.remove(shared, { recursive: true }));

  beforeEach(async () => {
    dir = await Deno.makeTempDir({ prefix: "crid-runtime-" });
    mounted = [];
  });

  afterEach(async () => {
    for (const path of mounted) await run("umount", ["-l", path]);
    await Deno.remove(dir, { recursive: true });
  });

  async function launch(args: string[], options: {
    env?: Record<string, string>;
    stdin?: string;
    program?: string;
  } = {}): Promise<{ code: number; out: string; err: string }> {
    const { code, stdout, stderr } = await run(options.program ?? program, args, {
      env: { PATH: "/usr/bin:/bin", CRID_RUNTIME_DIR: dir, ...options.env },
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    });
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  }

  async function mountTmpfs(options: string): Promise<void> {
    const { code, stderr } = await run("mount", [
      "-t",
      "tmpfs",
      "-o",
      `mode=755,${options}`,
      "none",
      dir,
    ]);
    assert.equal(code, 0, text.decode(stderr));
    mounted.push(dir);
  }

  async function versions(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(dir)) names.push(name);
    return names;
  }

  it("joins the mount namespace that KUBENSMNT names, and no other kind of thing", async () => {
    const script =
      `mount -t tmpfs none ${dir}; echo there > ${dir}/found; echo ready; exec sleep 60`;
    const other = new Deno.Command("unshare", {
      args: ["-m", "--propagation", "private", "sh", "-c", script],
      stdout: "piped",
    }).spawn();
    await other.stdout.getReader().read();
    const show = `[ -e ${dir}/found ] && echo inside || echo outside; echo "\${KUBENSMNT-gone}"`;
    const shell = join(shared, "shell");
    await buildLauncher({
      out: shell,
      program: "/bin/dash",
      arguments: ["-c", show],
      variables: [],
      files: new Map(),
    });
    const runs = async (KUBENSMNT: string) => {
      const env = { KUBENSMNT, CRID_RUNTIME_DIR: shared };
      return (await launch([], { program: shell, env })).out;
    };
    assert.equal(await runs(`/proc/${other.pid}/ns/mnt`), "inside\ngone\n");
    for (const path of [`/proc/${other.pid}/ns/net`, "/nonexistent", shell, ""]) {
      assert.equal(await runs(path), `outside\n${path}\n`);
    }
    other.kill();
    await other.status;
  });

  it("passes arguments, input and exit code through", async () => {
    const { out } = await launch(["args", "a b", "", "--flag"]);
    assert.equal(out, "shell\na b\n\n--flag\n");
    assert.equal((await launch(["exit", "7"])).code, 7);
    assert.equal((await launch(["cat"], { stdin: "line\n" })).out, "line\n");
  });

  it("is the program itself: signals reach it and no second process stands between", async () => {
    const child = new Deno.Command(program, {
      args: ["wait"],
      env: { CRID_RUNTIME_DIR: dir },
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    assert.equal(text.decode((await reader.read()).value), "ready\n");
    child.kill("SIGTERM");
    assert.equal(text.decode((await reader.read()).value), "caught\n");
    await reader.cancel();
    assert.equal((await child.status).code, 3);
  });

  it("tells the program where it is and where the helpers are", async () => {
    const { out } = await launch(["self"]);
    const [self, native] = out.trim().split(" ");
    assert.equal(self, program);
    const { code } = await run(join(native!, "pinns"), []);
    assert.equal(code, 1);
  });

  it("keeps the caller's environment, but for what would steer the runtime", async () => {
    const env = { MINE: "1", DENO_V8_FLAGS: "--jitless", NODE_OPTIONS: "--x", CRID_SELF: "/lie" };
    assert.equal((await launch(["env", "MINE"], { env })).out, "1\n");
    assert.equal((await launch(["env", "DENO_V8_FLAGS"], { env })).out, "");
    assert.equal((await launch(["env", "NODE_OPTIONS"], { env })).out, "");
    assert.match((await launch(["self"], { env })).out, new RegExp(`^${program} `));
  });

  it("unpacks once, for itself alone to change", async () => {
    assert.equal((await launch(["file"])).out, "hello\n");
    const [version] = await versions();
    const greeting = join(dir, version!, "data/greeting");
    const first = await Deno.stat(greeting);
    assert.equal(first.mode! & 0o777, 0o644);
    await launch(["file"]);
    assert.equal((await Deno.stat(greeting)).ino, first.ino);
  });

  it("unpacks again what was changed, cut short or removed", async () => {
    await launch(["exit", "0"]);
    const [version] = await versions();
    const greeting = join(dir, version!, "data/greeting");
    for (
      const damage of [
        () => Deno.writeTextFile(greeting, "hullo\n"),
        () => Deno.truncate(greeting, 2),
        () => Deno.remove(greeting),
        () => Deno.chmod(greeting, 0o666),
      ]
    ) {
      await damage();
      assert.equal((await launch(["file"])).out, "hello\n");
      assert.equal((await Deno.stat(greeting)).mode! & 0o777, 0o644);
      assert.deepEqual(await versions(), [version]);
    }
  });

  it("can be started many times at once on an empty directory", async () => {
    const results = await Promise.all(Array.from({ length: 12 }, () => launch(["file"])));
    for (const { out, err } of results) assert.deepEqual({ out, err }, { out: "hello\n", err: "" });
    assert.equal((await versions()).length, 1);
  });

  it("clears up what a killed launcher has left, and versions that nobody runs", async () => {
    const left = join(dir, `.${"0".repeat(32)}.AAAAAA`);
    const old = join(dir, "1".repeat(32));
    const other = join(dir, "not-ours");
    for (const path of [left, old, other]) await Deno.mkdir(join(path, "lib"), { recursive: true });
    const used = join(dir, "2".repeat(32));
    await Deno.mkdir(used);
    const holder = new Deno.Command("flock", {
      args: ["--shared", used, "-c", "echo locked; cat"],
      ...{ stdin: "piped", stdout: "piped" },
    }).spawn();
    const reader = holder.stdout.getReader();
    await reader.read();
    await launch(["exit", "0"]);
    await reader.cancel();
    await holder.stdin.close();
    await holder.status;
    const names = await versions();
    assert.equal(names.length, 3);
    assert.ok(names.includes("not-ours") && names.includes("2".repeat(32)), names.join());
  });

  it("creates the directory it is told to use", async () => {
    const deep = join(dir, "a/b/c");
    assert.equal((await launch(["file"], { env: { CRID_RUNTIME_DIR: deep } })).out, "hello\n");
  });

  for (
    const [what, options, pattern] of [
      ["full", "size=256k", /write .*: No space left on device/],
      ["read-only", "ro", /Read-only file system/],
      ["noexec", "noexec", /mounted noexec/],
    ] as const
  ) {
    it(`says what is wrong with a ${what} directory and leaves nothing in it`, async () => {
      await mountTmpfs(options);
      const { code, err } = await launch(["exit", "0"]);
      assert.equal(code, 126);
      assert.match(err, pattern);
      assert.match(err, /CRID_RUNTIME_DIR/);
      assert.deepEqual(await versions(), []);
    });
  }

  it("refuses a directory that others may write to", async () => {
    await Deno.chmod(dir, 0o777);
    const { code, err } = await launch(["exit", "0"]);
    assert.equal(code, 126);
    assert.match(err, /others may write/);
  });

  it("says that it is incomplete when its file was cut short or changed", async () => {
    const copy = join(dir, "copy");
    const size = (await Deno.stat(program)).size;
    for (const cut of [size - 1, size >> 1, 100_000]) {
      await Deno.copyFile(program, copy);
      await Deno.truncate(copy, cut);
      const { code, err } = await launch(["exit", "0"], { program: copy });
      assert.equal(code, 126);
      assert.match(err, /incomplete .* install it again/);
    }
  });

  it("builds the same bytes from the same input", async () => {
    const other = join(dir, "again");
    await buildLauncher({
      out: other,
      program: "/bin/dash",
      arguments: ["-c", SCRIPT, "shell"],
      variables: ["CRID_FILES=%/data"],
      files: new Map([["data/greeting", new TextEncoder().encode("hello\n")]]),
    });
    assert.deepEqual(await Deno.readFile(other), await Deno.readFile(program));
  });

  it("starts in a directory tree that has nothing else but /proc", async () => {
    for (const name of ["proc", "tmp"]) await Deno.mkdir(join(dir, name));
    await Deno.copyFile(program, join(dir, "crid"));
    const { code, stdout, stderr } = await run("unshare", [
      ...["--mount", "--pid", "--fork", `--mount-proc=${dir}/proc`],
      ...["chroot", dir, "/crid", "file"],
    ], { env: { PATH: "/usr/sbin:/usr/bin:/bin" } });
    assert.deepEqual(
      { code, out: text.decode(stdout), err: text.decode(stderr) },
      { code: 0, out: "hello\n", err: "" },
    );
  });
});
