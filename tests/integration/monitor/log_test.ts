import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { run } from "../../../src/linux/mod.ts";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import {
  type Container,
  createContainer,
  IS_RELEASE,
  type LogLine,
  logText,
  MONITORS,
  parseLog,
  prepareContainer,
  until,
} from "./monitor.ts";
import { buildPeer, Peer } from "./attach_client.ts";
import { countFds } from "./processes.ts";
import { Watch } from "./watch.ts";

function shape(lines: readonly LogLine[]): string[] {
  return lines.map(({ stream, tag, content }) => `${stream} ${tag} ${content}`);
}

describe("the monitor's log", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
  });

  after(() => stage[Symbol.asyncDispose]());

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        const make = (script: string, args: readonly string[] = []) =>
          createContainer({ stage, monitor, runtime, script, args });

        it("has a line for each line of both streams", async () => {
          await using container = await make("echo one; echo; echo two; echo bad >&2");
          await container.start();
          assert.equal(await container.end(), "0");
          const lines = shape(await container.log());
          assert.deepEqual(lines.filter((line) => line.startsWith("stdout")), [
            "stdout F one",
            "stdout F ",
            "stdout F two",
          ]);
          assert.ok(lines.includes("stderr F bad"));
        });

        it("ends with a piece when the output ends without a newline", async () => {
          await using container = await make("echo whole; printf part");
          await container.start();
          await container.end();
          assert.deepEqual(shape(await container.log()), ["stdout F whole", "stdout P part"]);
        });

        it("divides a long line into pieces that are all of it", async () => {
          await using container = await make(
            "head -c 50000 /dev/zero | tr '\\0' x; echo; echo end",
          );
          await container.start();
          await container.end();
          const lines = await container.log();
          assert.equal(logText(lines), `${"x".repeat(50000)}\nend\n`);
          assert.ok(lines.every(({ content }) => content.length <= 16384));
        });

        it("keeps NUL bytes", async () => {
          await using container = await make("printf 'a\\000b\\n'");
          await container.start();
          await container.end();
          assert.deepEqual(shape(await container.log()), ["stdout F a\0b"]);
        });

        it("goes on in a new file after a rename and reopen", async () => {
          const script = "echo before; while [ ! -e /proc/1/fd/9 ]; do read x; echo $x; done";
          await using container = await createContainer({
            ...{ stage, monitor, runtime, script, args: ["--stdin"] },
          });
          await container.start();
          await container.logged("before");
          await Deno.rename(container.path("log"), container.path("log.1"));
          await container.control("2 0 0\n");
          await container.exists(container.path("log"));
          assert.equal(
            logText(parseLog(await Deno.readTextFile(container.path("log.1")))),
            "before\n",
          );
          assert.equal(await Deno.readTextFile(container.path("log")), "");
        });

        it("begins anew at the size limit", async () => {
          await using container = await make("seq 1 1000", ["--log-size-max", "2000"]);
          await container.start();
          await container.end();
          const text = await Deno.readTextFile(container.path("log"));
          assert.ok(text.length <= 2000 && text.length > 1000, String(text.length));
          assert.equal(parseLog(text).at(-1)?.content, "1000");
        });

        it("is not written with the driver `none`", async () => {
          await using container = await createContainer({
            ...{ stage, monitor, runtime, script: "echo lost; exit 2", log: "none" },
          });
          await container.start();
          assert.equal(await container.end(), "2");
          await assert.rejects(Deno.stat(container.path("log")));
        });
      });
    }
  }

  describe("ours", () => {
    const make = (script: string, args: readonly string[] = [], env?: Record<string, string>) =>
      createContainer({
        ...{ stage, monitor: "ours", runtime: "crun", script, args } as const,
        ...(env === undefined ? {} : { env }),
      });

    let burst: Promise<{ readonly container: Container; readonly at: number }>;

    before(async () => {
      const container = await make("seq 1 100000; sleep 1000");
      await container.start();
      burst = container.logged(" 100000\n").then(() => ({ container, at: performance.now() }));
    });

    after(async () => await (await burst).container[Symbol.asyncDispose]());

    it("has stamps of the local zone that grow", async () => {
      await using container = await make("echo 1; sleep 1; echo 2", [], { TZ: "XXX-05:30" });
      const before = Date.now();
      await container.start();
      await container.end();
      const lines = await container.log();
      assert.ok(lines.every(({ stamp }) => stamp.endsWith("+05:30")));
      const [first, second] = lines.map(({ stamp }) => Date.parse(stamp));
      assert.ok(first! >= before - 1 && second! > first! && second! <= Date.now());
    });

    it("follows the zone when its offset changes", async () => {
      // Summer begins four seconds from now, one hour ahead.
      const at = new Date(Date.now() + 4000);
      const day = Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0)) / 86_400_000);
      const time = at.toISOString().slice(11, 19);
      const zone = `WIN0SUM-1,${day}/${time},${(day + 180) % 365}`;
      await using container = await make("echo 1; sleep 4.5; echo 2", [], { TZ: zone });
      await container.start();
      await container.end();
      const lines = await container.log();
      assert.deepEqual(lines.map(({ stamp }) => stamp.slice(-6)), ["+00:00", "+01:00"]);
      const [first, second] = lines.map(({ stamp }) => Date.parse(stamp));
      assert.ok(second! - first! >= 3000 && second! - first! < 60_000, "the time itself goes on");
    });

    it("leaves the container its caller's streams with `passthrough`", async () => {
      const options = {
        stage,
        monitor: "ours",
        runtime: "crun",
        script: "cat; echo bad >&2",
      } as const;
      await using container = await prepareContainer(options);
      const { program, runtime, id, bundle } = container;
      const script = `${program} "$@"; until ${runtime} start ${id} 2> /dev/null; do sleep 0.02; ` +
        `done; until [ -e ${stage.exits}/${id} ]; do sleep 0.02; done`;
      const child = new Deno.Command("timeout", {
        args: [
          ...["20", "sh", "-c", script, "sh", "-c", id, "-u", id, "-r", runtime, "-b", bundle],
          ...["-p", container.path("pid"), "-l", "passthrough"],
          ...["--exit-dir", stage.exits, "--socket-dir-path", stage.sockets],
        ],
        ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("mine\n"));
      await writer.close();
      const { stdout, stderr } = await child.output();
      const text = new TextDecoder();
      assert.equal(text.decode(stdout), "mine\n");
      assert.equal(text.decode(stderr), "bad\n");
    });

    it("writes a line whole although it comes in parts", async () => {
      await using container = await make("printf a; printf b; printf 'c\\n'; printf d");
      await container.start();
      await container.end();
      assert.deepEqual(shape(await container.log()), ["stdout F abc", "stdout P d"]);
    });

    it("does not keep an unfinished line to itself", async () => {
      await using container = await make("printf 'prompt> '; sleep 1000");
      await container.start();
      await container.logged("P prompt> ");
    });

    it("has every byte of a fast writer that exits at once", async () => {
      await using container = await make("seq 1 200000; seq 1 50000 >&2");
      await container.start();
      await container.end();
      const lines = await container.log();
      const expected = (count: number) =>
        Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");
      assert.equal(logText(lines), expected(200000));
      assert.equal(logText(lines, "stderr"), expected(50000));
    });

    it("keeps its content on reopen when nobody has renamed it", async () => {
      await using container = await make("echo kept; sleep 1000");
      await container.start();
      await container.logged("kept");
      using watch = new Watch(container.bundle);
      await container.control("2 0 0\n");
      await watch.seen(container.path("log")); // as CRI-O waits for it
      assert.deepEqual(shape(await container.log()), ["stdout F kept"]);
    });

    it("stays as somebody else has cut it on reopen", async () => {
      await using container = await make("echo gone; read x; echo $x", ["--stdin"]);
      await container.start();
      await container.logged("gone");
      await Deno.truncate(container.path("log"));
      await container.control("2 0 0\n");
      await container.writeStdin("kept\n");
      await container.end();
      assert.deepEqual(shape(await container.log()), ["stdout F kept"]);
    });

    it("is the log although its caller has closed the standard streams", async () => {
      const options = { stage, monitor: "ours", runtime: "crun", script: "echo said" } as const;
      await using container = await prepareContainer(options);
      const through = container.path("closed.sh");
      const script = `#!/bin/sh\nexec ${container.program} "$@" <&- >&- 2>&-\n`;
      await Deno.writeTextFile(through, script, { mode: 0o755 });
      await using bare = container.through(through);
      bare.launch(options);
      await bare.created();
      await bare.start();
      assert.equal(await bare.end(), "0");
      assert.deepEqual(shape(await bare.log()), ["stdout F said"]);
    });

    it("stays in the old file when the new one cannot be made, however often", async () => {
      for (const rotation of [[], ["--log-rotate"]]) {
        const args = ["--stdin", "--leave-stdin-open", ...rotation];
        await using container = await make("read x; echo $x; read x; exit 3", args);
        await container.start();
        const pid = await container.monitorPid();
        const fds = countFds(pid);
        await Deno.rename(container.path("log"), container.path("moved"));
        await Deno.mkdir(container.path("log"));
        await Deno.mkdir(container.path("log/in-the-way"));
        await container.control("2 0 0\n".repeat(10));
        await container.writeStdin("kept\n", "kept\n");
        await container.contains(container.path("moved"), " stdout F kept\n");
        await until(() => countFds(pid) === fds, "nothing is left open");
        await using client = new Peer(await buildPeer(stage.directory), [
          "relay",
          container.socket,
        ]);
        client.send("\n");
        assert.equal(await container.end(), "3");
      }
    });

    it("goes on in a new file whatever an earlier one has left beside it", async () => {
      await using container = await make("read x; echo $x", ["--stdin"]);
      await container.start();
      await Deno.rename(container.path("log"), container.path("moved"));
      for (const name of ["log.tmp", "log.new"]) {
        await Deno.writeTextFile(container.path(name), "left over\n");
      }
      await container.control("2 0 0\n");
      await container.exists(container.path("log"));
      await container.writeStdin("new\n");
      await container.end();
      assert.deepEqual(shape(await container.log()), ["stdout F new"]);
    });

    it("rotates numbered files at the size limit", async () => {
      const args = ["--log-size-max", "5000", "--log-rotate", "--log-max-files", "2"];
      await using container = await make("seq 1 1000", args);
      await container.start();
      await container.end();
      const names = Array.from(Deno.readDirSync(container.bundle), ({ name }) => name);
      assert.deepEqual(names.filter((name) => name.startsWith("log")).sort(), [
        "log",
        "log.1",
        "log.2",
      ]);
      const numbers: string[] = [];
      for (const name of ["log.2", "log.1", "log"]) {
        const lines = parseLog(await Deno.readTextFile(container.path(name)));
        numbers.push(...lines.map(({ content }) => content));
      }
      assert.equal(numbers.at(-1), "1000");
      const first = Number(numbers[0]);
      assert.deepEqual(numbers, Array.from(numbers, (_, index) => String(first + index)));
    });

    it("rotates when it is to be opened anew and nobody has renamed it", async () => {
      await using container = await make("echo first; read x; echo $x", [
        "--log-rotate",
        "--stdin",
      ]);
      await container.start();
      await container.logged("first");
      await container.control("2 0 0\n");
      await container.exists(container.path("log.1"));
      await container.writeStdin("second\n");
      await container.end();
      assert.deepEqual(shape(await container.log()), ["stdout F second"]);
      const old = parseLog(await Deno.readTextFile(container.path("log.1")));
      assert.deepEqual(shape(old), ["stdout F first"]);
    });

    it("rotates on after somebody else's rename", async () => {
      const args = ["--log-size-max", "3000", "--log-rotate", "--stdin"];
      await using container = await make("seq 1 20; read x; seq 21 500", args);
      await container.start();
      await container.logged("20");
      await Deno.rename(container.path("log"), container.path("moved"));
      await container.writeStdin("go\n");
      await container.end();
      assert.equal((await container.log()).at(-1)?.content, "500");
    });

    it("refuses to rotate outside of the allowed directories", async () => {
      const args = ["--log-rotate", "--log-allowlist-dir", "/var/log/elsewhere"];
      const container = make("true", args);
      await assert.rejects(container, /in no allowed directory/);
    });

    it("ends a line that a full disk has cut, and goes on", async () => {
      await using disk = await smallDisk();
      const script = "seq 1 100000; read x; echo $x; read x; echo after";
      await using container = await createContainer({
        ...{ stage, monitor: "ours", runtime: "crun", script, args: ["--stdin"] } as const,
        log: `${disk.path}/log`,
      });
      await using client = new Peer(await buildPeer(stage.directory), ["relay", container.socket]);
      await container.start();
      client.send("marked\n");
      await client.said("marked\n"); // the monitor is done with what came before it
      const { size } = await Deno.stat(`${disk.path}/log`);
      assert.ok(size > 200_000 && size < 350_000, "the disk is full");
      await Deno.remove(`${disk.path}/ballast`);
      client.send("go\n");
      assert.equal(await container.end(), "0");
      const text = await Deno.readTextFile(`${disk.path}/log`);
      const lines = text.trimEnd().split("\n");
      assert.match(lines.at(-1)!, / stdout F after$/);
    });

    it("gives memory back after a burst", async () => {
      const { container, at } = await burst;
      // Ten idle seconds after the burst, most of which the tests before have taken.
      await new Promise((resolve) => setTimeout(resolve, at + 11_000 - performance.now()));
      const smaps = await Deno.readTextFile(
        `/proc/${await container.monitorPid()}/smaps_rollup`,
      );
      const dirty = Number(smaps.match(/Private_Dirty:\s+(\d+)/)?.[1]);
      // Most of a sanitized program's memory is the sanitizer's.
      assert.ok(dirty < (IS_RELEASE ? 48 : 8192), `${dirty} kB`);
    });
  });

  /** A file system with room for half a megabyte, half of it taken. */
  async function smallDisk(): Promise<{ readonly path: string } & AsyncDisposable> {
    const path = await Deno.makeTempDir({ dir: stage.directory });
    await run("mount", ["-t", "tmpfs", "-o", "size=512k", "none", path]);
    await Deno.writeFile(`${path}/ballast`, new Uint8Array(200_000));
    return {
      path,
      async [Symbol.asyncDispose]() {
        await run("umount", ["-l", path]);
      },
    };
  }
});
