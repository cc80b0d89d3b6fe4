import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { type Container, createContainer, logText, MONITORS, prepareContainer } from "./monitor.ts";
import { Watch } from "./watch.ts";

describe("the end of a monitor", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
  });

  after(() => stage[Symbol.asyncDispose]());

  /** Waits for the file that daemons watch for. */
  async function exitFile({ id }: Container): Promise<void> {
    const path = join(stage.exits, id);
    while (!await Deno.stat(path).then(() => true, () => false)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        const make = (script: string, args: readonly string[] = []) =>
          createContainer({ stage, monitor, runtime, script, args });

        it("has the exit code in both files, without a newline", async () => {
          await using container = await make("exit 42");
          await container.start();
          assert.equal(await container.end(), "42");
          assert.equal(await Deno.readTextFile(container.path("exit")), "42");
        });

        it("has the persistent file when the other one appears", async () => {
          await using container = await make("exit 1");
          const appeared = exitFile(container);
          await container.start();
          await appeared;
          assert.equal(await Deno.readTextFile(container.path("exit")), "1");
          await container.end();
        });

        it("appears whole, and no other name that a daemon could take for a container's", async () => {
          await using container = await make("exit 3");
          using watch = new Watch(stage.exits);
          await container.start();
          await watch.seen(join(stage.exits, container.id));
          assert.equal(await Deno.readTextFile(join(stage.exits, container.id)), "3");
          await container.monitor.gone();
          const others = watch.paths.map((path) => basename(path))
            .filter((name) => name.startsWith(container.id) && name !== container.id);
          for (const name of others) assert.match(name, /^[^.]+\.\w{6}$/);
        });

        it("runs the exit command with its arguments", async () => {
          const out = join(stage.directory, `command-${crypto.randomUUID()}`);
          await using container = await make("exit 0", [
            ...["--exit-command", "/bin/sh", "--exit-command-arg", "-c"],
            ...["--exit-command-arg", `cat ${stage.exits}/$0 > ${out}`],
            ...["--exit-command-arg", "PLACEHOLDER"],
          ]);
          await Deno.writeTextFile(join(stage.exits, "PLACEHOLDER"), "ran");
          await container.start();
          await container.contains(out, "ran"); // conmon's pipe ends before the command does
        });

        it("runs the exit command also when the container could not be created", async () => {
          const out = join(stage.directory, `command-${crypto.randomUUID()}`);
          const options = {
            ...{ stage, monitor, runtime, script: "exit 0" },
            args: ["--exit-command", "/usr/bin/touch", "--exit-command-arg", out],
          };
          await using container = await prepareContainer(options);
          await Deno.writeTextFile(container.path("config.json"), "{}");
          assert.equal((await container.launch(options).answer())?.pid, -1);
          await container.exists(out);
        });
      });
    }
  }

  describe("ours", () => {
    const make = (script: string, args: readonly string[] = []) =>
      createContainer({ stage, monitor: "ours", runtime: "crun", script, args });

    it("comes at once whatever is in the log", async () => {
      await using container = await make("seq 1 1000000; echo end >&2; read x", ["--stdin"]);
      await container.start();
      await container.logged("end");
      const started = performance.now();
      Deno.kill(container.pid, "SIGKILL");
      await exitFile(container);
      const took = performance.now() - started;
      assert.ok(took < 8000, `${took} ms`);
    });

    it("waits for the exit delay before the command", async () => {
      const out = join(stage.directory, "delayed");
      await using container = await make("exit 0", [
        ...["--exit-command", "/usr/bin/touch", "--exit-command-arg", out, "--exit-delay", "1"],
      ]);
      await container.start();
      const started = performance.now();
      await container.end();
      await Deno.stat(out);
      assert.ok(performance.now() - started >= 1000);
    });

    it("releases what its caller had it hold before the exit file is there", async () => {
      // podman parks reserved ports in its monitors; a lock does for any fd.
      const lock = join(stage.directory, "lock");
      const options = {
        ...{ stage, monitor: "ours", runtime: "crun", script: "exit 0" } as const,
        args: ["--exit-command", "/bin/true", "--exit-delay", "1"],
      };
      await using container = await prepareContainer(options);
      const holder = join(stage.directory, "holder");
      await Deno.writeTextFile(
        holder,
        `#!/bin/sh\nexec 9> ${lock}; flock -x 9; exec ${container.program} "$@"\n`,
      );
      await Deno.chmod(holder, 0o755);
      await using held = container.through(holder);
      held.launch(options);
      await held.created();
      assert.equal((await run("flock", ["-n", lock, "true"])).code, 1, "it is held");
      await held.start();
      await exitFile(held);
      assert.equal((await run("flock", ["-n", lock, "true"])).code, 0);
    });

    it("says that the exit code is unknown of a container that is not its child", async () => {
      const bundle = await Deno.makeTempDir({ dir: stage.directory });
      const stranger = new Deno.Command("sleep", { args: ["0.5"] }).spawn();
      const runtime = join(bundle, "runtime");
      await Deno.writeTextFile(runtime, `#!/bin/sh\necho ${stranger.pid} > ${bundle}/pid\n`);
      await Deno.chmod(runtime, 0o755);
      const options = { stage, monitor: "ours", runtime: "crun", script: "true" } as const;
      await using container = await prepareContainer(options);
      const { code } = await run(container.program, [
        ...["-c", "stranger", "-u", "stranger", "-b", bundle, "-r", runtime, "-l", "none"],
        ...["-p", join(bundle, "pid"), "--exit-dir", bundle, "--sync"],
        ...["--socket-dir-path", stage.sockets],
      ]);
      assert.equal(code, 255);
      assert.equal(await Deno.readTextFile(join(bundle, "stranger")), "-1");
      await stranger.status;
    });

    it("passes its caller's descriptors on with --preserve-fds", async () => {
      const script = "cat <&3";
      const options = {
        ...{ stage, monitor: "ours", runtime: "crun", script } as const,
        args: ["--runtime-opt", "--preserve-fds", "--runtime-opt", "1"],
      };
      await using container = await prepareContainer(options);
      const file = container.path("handed-over");
      await Deno.writeTextFile(file, "kept open\n");
      const holder = container.path("holder");
      // Its own pipes make room: the runtime hands over descriptors from 3 on.
      const moved = `exec 7>&3 8<&4 9>&5 3< ${file} 4<&- 5>&-; ` +
        "export _OCI_SYNCPIPE=7 _OCI_STARTPIPE=8 _OCI_ATTACHPIPE=9";
      await Deno.writeTextFile(
        holder,
        `#!/bin/sh\n${moved}\nexec ${container.program} "$@"\n`,
        { mode: 0o755 },
      );
      await using held = container.through(holder);
      held.launch(options);
      await held.created();
      await held.start();
      assert.equal(await held.end(), "0");
      assert.equal(logText(await held.log()), "kept open\n");
    });

    it("passes LISTEN_PID on as the runtime's own", async () => {
      const bundle = await Deno.makeTempDir({ dir: stage.directory });
      const runtime = join(bundle, "runtime");
      await Deno.writeTextFile(
        runtime,
        `#!/bin/sh\n[ "$LISTEN_PID" = $$ ] && echo same > ${bundle}/said\nexit 1\n`,
      );
      await Deno.chmod(runtime, 0o755);
      const options = { stage, monitor: "ours", runtime: "crun", script: "true" } as const;
      await using container = await prepareContainer(options);
      const args = [
        ...["-c", "listen", "-u", "listen", "-b", bundle, "-r", runtime, "-l", "none"],
        ...["--sync", "--socket-dir-path", stage.sockets],
      ];
      await run("sh", ["-c", `LISTEN_PID=$$ exec ${container.program} "$@"`, "sh", ...args]);
      assert.equal(await Deno.readTextFile(join(bundle, "said")), "same\n");
    });
  });
});
