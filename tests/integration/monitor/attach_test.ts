import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { createContainer, IS_RELEASE, logText, MONITORS, until } from "./monitor.ts";
import { buildPeer, Peer, runPeer } from "./attach_client.ts";
import { countFds, procNumber } from "./processes.ts";

/** Writes without an end, so that its log shows whether it is held up. */
const CHATTER = "while :; do echo 0123456789012345678901234567890123456789; done";

describe("the monitor's attach socket", () => {
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
        const make = (script: string, args: readonly string[] = []) =>
          createContainer({ stage, monitor, runtime, script, args });

        it("carries output of both streams and ends with the container", async () => {
          await using container = await make("read x; echo $x; echo bad >&2", ["--stdin"]);
          await container.start();
          await using client = new Peer(peer, [
            "relay",
            join(stage.sockets, container.id, "attach"),
          ]);
          client.send("hello\n");
          await client.closed();
          assert.equal(client.stdout, "hello\n");
          assert.equal(client.stderr, "bad\n");
          assert.equal(await container.end(), "0");
        });

        it("ends the container's input with the client's", async () => {
          await using container = await make("cat; echo done", ["--stdin"]);
          await container.start();
          await using client = new Peer(peer, ["relay", container.socket]);
          client.send("last words\n");
          client.finish();
          await client.said("done");
          assert.equal(client.stdout, "last words\ndone\n");
        });

        it("keeps the container's input open with --leave-stdin-open", async () => {
          const args = ["--stdin", "--leave-stdin-open"];
          await using container = await make("read a; echo $a; read b; echo $a$b", args);
          await container.start();
          await using first = new Peer(peer, ["relay", container.socket]);
          first.send("one\n");
          await first.said("one\n");
          first.finish();
          await using second = new Peer(peer, ["relay", container.socket]);
          second.send("two\n");
          await second.said("onetwo");
        });

        it("shows output to every client", async () => {
          const args = ["--stdin", "--leave-stdin-open"];
          await using container = await make("read a; read b; echo both; sleep 1000", args);
          await container.start();
          await using first = new Peer(peer, ["relay", container.socket]);
          await using second = new Peer(peer, ["relay", container.socket]);
          first.send("1\n");
          second.send("2\n");
          await first.said("both\n");
          await second.said("both\n");
        });

        it("sends packets of at most 8192 bytes, all of them stdout with a terminal", async () => {
          await using container = await createContainer({
            ...{ stage, monitor, runtime, terminal: true },
            script: "stty -onlcr -echo; read x; head -c 20000 /dev/zero; echo e >&2",
          });
          await container.start();
          await using client = new Peer(peer, ["sizes", container.socket]);
          await using typist = new Peer(peer, ["relay", container.socket]);
          await new Promise((resolve) => setTimeout(resolve, 300));
          typist.send("go\n");
          await client.closed();
          const packets = client.stdout.trim().split("\n").map((line) =>
            line.split(" ").map(Number)
          );
          assert.ok(packets.every(([stream, size]) => stream === 2 && size! <= 8192));
          const total = packets.reduce((sum, [, size]) => sum + size!, 0);
          assert.ok(total >= 20002, String(total));
        });

        it("passes detach keys on like any other byte", async () => {
          await using container = await make("head -c 2", ["--stdin"]);
          await container.start();
          await using client = new Peer(peer, ["relay", container.socket]);
          client.send("\x10\x11");
          await client.closed();
          assert.equal(client.stdout, "\x10\x11");
        });
      });
    }
  }

  describe("ours", () => {
    const make = (script: string, args: readonly string[] = []) =>
      createContainer({ stage, monitor: "ours", runtime: "crun", script, args });

    it("loses nothing of a large packet", async () => {
      await using container = await make("head -c 150000 | tr x y; echo", ["--stdin"]);
      await container.start();
      await using client = new Peer(peer, ["packet", container.socket, "150000"]);
      await client.closed();
      assert.equal(client.stdout, "y".repeat(150000) + "\n");
    });

    it("takes an empty packet for the end of input", async () => {
      await using container = await make("cat; echo ended", ["--stdin"]);
      await container.start();
      await using client = new Peer(peer, ["empty", container.socket]);
      await client.said("ended");
    });

    it("delivers input that a client leaves behind when it goes", async () => {
      await using container = await make("sleep 0.5; cat; echo end", ["--stdin"]);
      await container.start();
      await using client = new Peer(peer, ["relay", container.socket]);
      for (let index = 0; index < 30; index++) client.send("z".repeat(10_000) + "\n");
      await new Promise((resolve) => setTimeout(resolve, 300));
      client.child.kill("SIGKILL");
      await container.end();
      const text = logText(await container.log());
      assert.ok(text.endsWith("end\n"));
      assert.ok(text.length >= 60_000, String(text.length)); // the pipe, and what was sent
    });

    it("goes on after the container has closed its input", async () => {
      await using container = await make("exec 0<&-; sleep 0.3; echo on; sleep 1000", ["--stdin"]);
      await container.start();
      await using client = new Peer(peer, ["relay", container.socket]);
      for (let index = 0; index < 40; index++) client.send("z".repeat(10_000));
      await client.said("on");
    });

    it("does not let a client that reads nothing stop the container", async () => {
      await using container = await make(CHATTER);
      await container.start();
      await using client = new Peer(peer, ["hang", container.socket]);
      await client.said("connected");
      const size = async () => (await Deno.stat(container.path("log"))).size;
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
      await until(async () => {
        const before = await size();
        await pause(200);
        return await size() === before;
      }, "it is held up");
      const held = await size();
      await until(async () => await size() > held, "the log grows again"); // after three seconds
      await container.control("2 0 0\n");
      await container.kill();
      assert.equal(await container.end(), "137");
    });

    it("gives a slow client everything", async () => {
      await using container = await make("seq 1 100000", ["--stdin"]);
      await using client = new Peer(peer, ["relay", container.socket]);
      client.child.stdout!.pause();
      await container.start();
      const timer = setInterval(() => client.child.stdout!.read(), 1);
      await new Promise((resolve) => setTimeout(resolve, 800));
      clearInterval(timer);
      client.child.stdout!.resume();
      await client.closed();
      assert.equal(client.stdout.length, logText(await container.log()).length);
      assert.ok(client.stdout.endsWith("\n100000\n"));
    });

    it("has no trace of clients that come and go", async () => {
      await using container = await make("sleep 1000");
      await container.start();
      const pid = await container.monitorPid();
      const before = countFds(pid);
      const memory = await procNumber(pid, "status", "VmRSS");
      await runPeer(peer, "connects", container.socket, "2000");
      await until(() => countFds(pid) === before, "all are closed");
      const grown = await procNumber(pid, "status", "VmRSS") - memory;
      // A sanitizer keeps what was freed for a while.
      assert.ok(grown <= (IS_RELEASE ? 64 : 4096), `${grown} kB`);
    });

    it("turns clients away when there are too many, and rests", async () => {
      await using container = await make("sleep 1000");
      await container.start();
      const pid = await container.monitorPid();
      await new Deno.Command("prlimit", { args: ["--pid", String(pid), "--nofile=40"] }).output();
      await using crowd = new Peer(peer, ["hold", container.socket, "100"]);
      await crowd.said("connected");
      const ticks = await cpuTicks(pid);
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(await cpuTicks(pid) - ticks <= 1, "it does not spin");
      crowd.finish();
      await crowd.closed();
      await using client = new Peer(peer, ["hang", container.socket]);
      await client.said("connected");
    });

    it("works for a bundle and a socket directory of any length", async () => {
      const deep = join(stage.directory, ..."abcdef".split("").map((name) => name.repeat(60)));
      await Deno.mkdir(deep, { recursive: true });
      const options = { stage, monitor: "ours", runtime: "crun", script: "echo far; sleep 1000" };
      await using container = await createContainer({
        ...options as { stage: Stage; monitor: "ours"; runtime: "crun"; script: string },
        args: ["--socket-dir-path", deep],
      });
      await using client = new Peer(peer, ["relay", join(deep, container.id, "attach")]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await container.start();
      await client.said("far");
    });

    it("survives any packets over any connections", async () => {
      await using container = await make("cat > /dev/null & while :; do echo x; sleep 0.01; done", [
        "--stdin",
        "--leave-stdin-open",
      ]);
      await container.start();
      for (const seed of ["1", "2", "3"]) {
        await runPeer(peer, "fuzz", container.socket, "300", seed);
      }
      await using client = new Peer(peer, ["relay", container.socket]);
      await client.said("x\n");
      await container.kill();
      assert.equal(await container.end(), "137");
    });
  });
});

/** User and system time of a process, in clock ticks. */
async function cpuTicks(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
