import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { createContainer, Monitor, monitorProgram, MONITORS, prepareContainer } from "./monitor.ts";

describe("the monitor's answers", () => {
  let stage: Stage;
  let program = "";

  before(async () => {
    stage = await makeStage();
    program = await monitorProgram("ours");
  });

  after(() => stage[Symbol.asyncDispose]());

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        it("report the container's pid, then the end", async () => {
          await using container = await createContainer({
            stage,
            monitor,
            runtime,
            script: "exit 0",
          });
          const text = await Deno.readTextFile(container.path("pid"));
          assert.equal(Number(text), container.pid);
          assert.equal(await container.monitor.exited, 0);
          assert.match(await Deno.readTextFile(container.path("monitor-pid")), /^\d+$/);
          await container.start();
          assert.equal(await container.monitor.answer(), undefined);
          assert.equal(await container.end(), "0");
        });

        it("are keyed `data` with API 1", async () => {
          const options = { stage, monitor, runtime, script: "exit 0", args: ["--api-version"] };
          await using container = await prepareContainer(options);
          const { data, pid } = await container.launch(options).answer() ?? {};
          assert.ok(data! > 0);
          assert.equal(pid, undefined);
        });

        it("carry what the runtime says when it fails", async () => {
          const options = { stage, monitor, runtime, script: "exit 0" };
          await using container = await prepareContainer(options);
          await Deno.writeTextFile(container.path("config.json"), "{}");
          const { pid, message } = await container.launch(options).answer() ?? {};
          assert.equal(pid, -1);
          assert.ok(message!.length > 0);
        });
      });
    }
  }

  /** Runs our monitor over a script in the place of a runtime. */
  async function over(script: string, args: readonly string[] = []): Promise<{
    monitor: Monitor;
    bundle: string;
  }> {
    const bundle = join(stage.directory, `fake-${crypto.randomUUID().slice(0, 8)}`);
    await Deno.mkdir(bundle);
    const runtime = join(bundle, "runtime");
    await Deno.writeTextFile(runtime, `#!/bin/bash\n${script}\n`);
    await Deno.chmod(runtime, 0o755);
    const id = basename(bundle);
    const monitor = new Monitor(program, [
      ...["-c", id, "-u", id, "-r", runtime, "-b", bundle, "-l", join(bundle, "log")],
      ...["-p", join(bundle, "pid"), "--exit-dir", stage.exits],
      ...["--socket-dir-path", stage.sockets, ...args],
    ], { cwd: bundle });
    monitor.start();
    return { monitor, bundle };
  }

  it("say so when the runtime fails without a word", async () => {
    using monitor = (await over("exit 1")).monitor;
    const { pid, message } = await monitor.answer() ?? {};
    assert.equal(pid, -1);
    assert.match(message!, /runtime ended with 1/);
    assert.equal(await monitor.answer(), undefined);
  });

  it("say so when the runtime is well but leaves no pid", async () => {
    for (const script of ["exit 0", 'touch "$5"', 'echo 0 > "$5"', 'echo rubbish > "$5"']) {
      using monitor = (await over(script)).monitor;
      assert.equal((await monitor.answer())?.pid, -1, script);
    }
  });

  it("do not trust a pid file that was there before", async () => {
    const bundle = join(stage.directory, "old-pid");
    await Deno.mkdir(bundle);
    await Deno.writeTextFile(join(bundle, "pid"), String(Deno.pid));
    using monitor = (await over("exit 0", ["-p", join(bundle, "pid")])).monitor;
    assert.equal((await monitor.answer())?.pid, -1);
  });

  it("come although the runtime says more than a pipe holds", async () => {
    using monitor = (await over("head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1")).monitor;
    assert.equal((await monitor.answer())?.pid, -1);
  });

  it("have the beginning and the end of a long message", async () => {
    const script = "echo first >&2; for i in $(seq 20000); do echo noise >&2; done; " +
      "echo the real error >&2; exit 1";
    using monitor = (await over(script)).monitor;
    const message = (await monitor.answer())!.message!;
    assert.match(message, /^first\n/);
    assert.match(message, /bytes left out/);
    assert.match(message, /the real error\n$/);
    assert.ok(message.length < 4000);
  });

  it("come although a child of the failed runtime holds its stderr", async () => {
    using monitor = (await over("sleep 5 & echo oops >&2; exit 1")).monitor;
    const started = performance.now();
    assert.equal((await monitor.answer())?.message, "oops\n");
    assert.ok(performance.now() - started < 4500);
  });

  it("are valid JSON and UTF-8 whatever the runtime says", async () => {
    const script = String
      .raw`printf 'a\xff\xc3\x28\xed\xa0\x80 "q" \\ \x01 \xe2\x82\xac end' >&2; exit 1`;
    using monitor = (await over(script)).monitor;
    const message = (await monitor.answer())!.message!;
    assert.equal(message, 'a\ufffd\ufffd(\ufffd\ufffd\ufffd "q" \\ \u0001 \u20ac end');
  });

  it("are one line below 4096 bytes, escapes and all", async () => {
    using monitor = (await over(`printf '"%.0s' $(seq 6000) >&2; exit 1`)).monitor;
    const message = (await monitor.answer())!.message!;
    assert.ok(JSON.stringify({ pid: -1, message }).length < 4096);
  });

  it("tell what went wrong before the runtime was started", async () => {
    const missing = ["--sdnotify-socket", "/tmp/none"];
    using monitor = (await over("exit 0", missing)).monitor;
    const { pid, message } = await monitor.answer() ?? {};
    assert.equal(pid, -1);
    assert.match(message!, /notify/);
  });

  it("wait for the start byte, and the end of the pipe will do", async () => {
    const bundle = join(stage.directory, "waiting");
    await Deno.mkdir(bundle);
    const args = ["-c", "w", "-u", "w", "-r", "/bin/false", "-b", bundle, "-l", "none"];
    using monitor = new Monitor(program, [...args, "--socket-dir-path", stage.sockets], {
      cwd: bundle,
    });
    let started = false;
    void monitor.exited.then(() => started = true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(started, false);
    monitor.close();
    assert.equal((await monitor.answer())?.pid, -1);
  });

  it("leave nothing in the bundle and the socket directory after a failure", async () => {
    const { monitor, bundle } = await over("exit 1");
    await monitor.gone();
    monitor[Symbol.dispose]();
    const names = Array.from(Deno.readDirSync(bundle), ({ name }) => name).sort();
    assert.deepEqual(names, ["log", "runtime"]);
    assert.deepEqual(
      Array.from(Deno.readDirSync(stage.sockets), ({ name }) => name)
        .filter((name) => name === basename(bundle)),
      [],
    );
  });
});
