import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { join } from "@std/path";
import { after, before, describe, it } from "@std/testing/bdd";
import { helperProgram } from "./helpers.ts";
import { exit, PidFd, run } from "../../../src/linux/mod.ts";

describe("the native starter", () => {
  let native: string;
  let directory: string;
  before(async () => {
    native = await helperProgram();
    directory = await Deno.makeTempDir();
  });
  after(() => Deno.remove(directory, { recursive: true }));

  const start = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(native, ["start", ...args]);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  /** A program that leaves a process behind and writes its pid, as a detaching runtime does. */
  const leaving = (pidFile: string, script: string) => [
    ...["-w", pidFile, "--", "sh", "-c"],
    `setsid sh -c '${script}' & echo $! > ${pidFile}`,
  ];

  it("becomes the program, in a session of its own", async () => {
    const { stdout } = await start("--", "sh", "-c", "echo $$ $(cut -d' ' -f6 /proc/$$/stat)");
    const [pid, session] = stdout.split(" ");
    assert.equal(pid, session);
  });

  it("with -k ends the program when its own starter ends", async () => {
    const script =
      'crid_native="$1"; $crid_native start -k -- sleep 77202 & echo $!; exec sleep 0.2';
    const { code, stdout } = await run("sh", ["-c", script, "sh", native]);
    assert.equal(code, 0);
    const pid = Number(new TextDecoder().decode(stdout));
    using started = PidFd.open(pid);
    await started?.exited(AbortSignal.timeout(5_000));
  });

  it("tells a missing program from one that cannot be executed", async () => {
    assert.equal((await start("--", "/no/such")).code, 127);
    assert.equal((await start("--", "/etc/passwd")).code, 126);
    assert.match((await start("--", "/no/such")).stderr, /start: run \/no\/such: No such file/);
    assert.match((await start("-x")).stderr, /unknown option/);
    assert.match((await start()).stderr, /no program given/);
  });

  it("ends as the process does that the program has left behind", async () => {
    const pid = join(directory, "pid");
    assert.equal((await start(...leaving(pid, "sleep 0.1; exit 7"))).code, 7);
    assert.equal((await start(...leaving(pid, "sleep 0.2; exit 8"))).code, 8);
    assert.equal((await start(...leaving(pid, "sleep 0.1; kill -9 $$"))).code, 137);
  });

  it("ends as the program does when that fails, and leaves no pid then", async () => {
    const pid = join(directory, "pid-of-failure");
    await Deno.writeTextFile(pid, "1");
    assert.equal((await start("-w", pid, "--", "sh", "-c", "exit 9")).code, 9);
    await assert.rejects(Deno.stat(pid), Deno.errors.NotFound);
    const { stderr } = await start("-w", pid, "--", "true");
    assert.match(stderr, /no process id in/);
  });

  const hasContent = async (path: string) => {
    while (await Deno.stat(path).then(({ size }) => size === 0, () => true)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  it("kills the process when its own starter is gone", async () => {
    const pidFile = join(directory, "pid-of-orphan");
    const child = spawn(native, ["start", ...leaving(pidFile, "exec sleep 77201")], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const ended = exit(child, native);
    await hasContent(pidFile);
    child.stdin.end();
    assert.equal((await ended).code, 137);
  });

  it("kills the process when its own starter goes just as the program ends", async () => {
    const pidFile = join(directory, "pid-of-both");
    // Stopped meanwhile, so that both events are there when it looks.
    const script = `kill -STOP $PPID; setsid sleep 77203 & echo $! > ${pidFile}`;
    const child = spawn(native, ["start", "-w", pidFile, "--", "sh", "-c", script], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const ended = exit(child, native);
    await hasContent(pidFile);
    const closed = new Promise((resolve) => child.stdin.once("close", resolve));
    child.stdin.destroy();
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.kill(child.pid!, "SIGCONT");
    assert.equal((await ended).code, 137);
  });

  it("hides the v2 tree of a hybrid host from the program alone", async () => {
    const list = ["--", "sh", "-c", "ls /sys/fs/cgroup/unified 2>/dev/null | wc -l"];
    const host = (await start(...list)).stdout;
    assert.equal((await start("-u", ...list)).stdout, "0");
    assert.equal((await start(...list)).stdout, host);
  });
});
