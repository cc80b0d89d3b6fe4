import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { type Container, createContainer, logText, MONITORS } from "./monitor.ts";
import { buildPeer, Peer } from "./attach_client.ts";
import { countProcesses } from "./processes.ts";

describe("the monitor of a command", () => {
  let stage: Stage;
  let peer = "";

  before(async () => {
    stage = await makeStage();
    peer = await buildPeer(stage.directory);
  });

  after(() => stage[Symbol.asyncDispose]());

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        let container: Container;

        before(async () => {
          container = await createContainer({ stage, monitor, runtime, script: "sleep 1000" });
          await container.start();
        });

        after(() => container[Symbol.asyncDispose]());

        it("reports how it ended and logs what it said", async () => {
          const { monitor, log } = await container.exec("echo out; echo bad >&2; exit 3");
          assert.deepEqual(await monitor.answer(), { exit_code: 3 });
          await monitor.gone();
          const lines = await log();
          assert.equal(logText(lines), "out\n");
          assert.equal(logText(lines, "stderr"), "bad\n");
        });

        it("reports 128 and the signal that ended it", async () => {
          const { monitor } = await container.exec("kill -KILL $$");
          assert.deepEqual(await monitor.answer(), { exit_code: 137 });
        });

        it("stays in the foreground with --sync and ends as the command does", async () => {
          const { monitor } = await container.exec("exit 9", { args: ["--sync"] });
          assert.equal(await monitor.exited, 9);
        });

        it("reports the pid first with API 1", async () => {
          const args = ["--api-version", "--cuuid", crypto.randomUUID()];
          const { monitor } = await container.exec("exit 4", { args });
          assert.ok((await monitor.answer())!.data! > 0);
          assert.deepEqual(await monitor.answer(), { data: 4 });
        });

        it("gives it a terminal", async () => {
          const { monitor, log } = await container.exec("test -t 0 && echo yes", {
            terminal: true,
          });
          assert.deepEqual(await monitor.answer(), { exit_code: 0 });
          await monitor.gone();
          assert.equal(logText(await log()), "yes\r\n");
        });

        it("reports what the runtime says of a command that does not exist", async () => {
          const { monitor } = await container.execProcess(["/no/such/command"]);
          const { exit_code, message } = (await monitor.answer())!;
          assert.equal(exit_code, -1);
          assert.match(message!, /no such file|not found/i);
        });

        it("reports what the runtime says of a container that does not exist", async () => {
          const { monitor } = await container.exec("true", { args: ["--cid", "no-such"] });
          const { exit_code, message } = (await monitor.answer())!;
          assert.equal(exit_code, -1);
          assert.match(message!, /no such|not exist/i);
        });

        it("does not wait for what the command leaves running", async () => {
          const started = performance.now();
          const { monitor } = await container.exec("sleep 60 & exit 0");
          assert.deepEqual(await monitor.answer(), { exit_code: 0 });
          assert.ok(performance.now() - started < 30_000);
        });

        it("kills it at the timeout and says exactly so", async () => {
          const { monitor } = await container.exec("sleep 1000", { args: ["--timeout", "1"] });
          assert.deepEqual(await monitor.answer(), {
            exit_code: -1,
            message: "command timed out",
          });
        });
      });
    }
  }

  describe("ours", () => {
    let container: Container;

    before(async () => {
      container = await createContainer({
        ...{ stage, monitor: "ours", runtime: "crun" } as const,
        script: "sleep 1000",
      });
      await container.start();
    });

    after(() => container[Symbol.asyncDispose]());

    it("takes an empty pid file of the caller for none", async () => {
      const pid = container.path("empty-pid");
      await Deno.writeTextFile(pid, "");
      const { monitor } = await container.execProcess(["/no/such/command"], ["-p", pid]);
      const { exit_code, message } = (await monitor.answer())!;
      assert.equal(exit_code, -1);
      assert.match(message!, /no such file|not found/i);
    });

    it("times out neither early nor late", async () => {
      await Promise.all([1, 2].map(async (seconds) => {
        const started = performance.now();
        const { monitor } = await container.exec("sleep 1000", { args: ["-T", String(seconds)] });
        assert.equal((await monitor.answer())?.message, "command timed out");
        const took = performance.now() - started;
        assert.ok(took >= seconds * 1000, `${took} ms`);
        assert.ok(took < seconds * 1000 + 8000, `${took} ms`);
      }));
    });

    it("kills what has left its process group and session at the timeout, too", async () => {
      const mark = `41${Math.floor(Math.random() * 1e6)}`;
      const { monitor } = await container.exec(
        `setsid sleep ${mark} & sh -c 'sleep ${mark} & sleep ${mark}' & sleep ${mark}`,
        { args: ["-T", "1"] },
      );
      assert.equal((await monitor.answer())?.message, "command timed out");
      assert.equal(await countProcesses(`sleep\0${mark}`), 0);
    });

    it("keeps every byte of a hundred short commands", async () => {
      const outputs = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
        const { monitor, log } = await container.exec(`seq 1 ${100 + index}`);
        assert.deepEqual(await monitor.answer(), { exit_code: 0 });
        await monitor.gone();
        return logText(await log());
      }));
      for (const [index, output] of outputs.entries()) {
        assert.equal(output.trim().split("\n").length, 100 + index);
      }
    });

    it("drops output beyond --log-global-size-max", async () => {
      const { monitor, log } = await container.exec("head -c 300000 /dev/zero | tr '\\0' x", {
        args: ["--log-global-size-max", "100000"],
      });
      assert.deepEqual(await monitor.answer(), { exit_code: 0 });
      await monitor.gone();
      const { length } = logText(await log());
      assert.ok(length >= 90_000 && length < 100_000 + 2 * 16384, String(length));
    });

    it("lets a client attach before the command starts", async () => {
      const bundle = container.path("session");
      await Deno.mkdir(bundle);
      const args = [
        ...["--exec-attach", "--api-version", "--bundle", bundle, "--stdin"],
        ...["--cuuid", "session", "--full-attach"],
      ];
      const { monitor } = await container.exec("cat; echo err >&2; exit 6", { args });
      assert.deepEqual(await monitor.attachAnswer(), { data: 0 });
      await using client = new Peer(peer, ["relay", `${bundle}/attach`]);
      client.send("ping\n");
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(client.stdout, "", "nothing runs before the second start byte");
      monitor.start();
      assert.ok((await monitor.answer())!.data! > 0);
      await client.said("ping\n");
      client.finish();
      assert.deepEqual(await monitor.answer(), { data: 6 });
      await client.closed();
      assert.equal(client.stdout, "ping\n");
      assert.equal(client.stderr, "err\n");
    });
  });
});
