import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { createContainer, monitorProgram, MONITORS } from "./monitor.ts";

const LIMIT = 24 * 1024 * 1024;
/** Takes more memory than the limit allows. */
const HUNGRY = "a=x; while :; do a=$a$a; done";

describe("the monitor's watch for OOM", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
  });

  after(() => stage[Symbol.asyncDispose]());

  const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

  for (const monitor of MONITORS) {
    for (const runtime of RUNTIMES) {
      describe(`${monitor} with ${runtime}`, () => {
        const make = (script: string) =>
          createContainer({ stage, monitor, runtime, script, memoryLimit: LIMIT });

        it("leaves `oom` when the container was killed", async () => {
          await using container = await make(HUNGRY);
          await container.start();
          assert.equal(await container.end(), "137");
          assert.ok(await exists(container.path("oom")));
        });

        it("leaves `oom` when only a child was killed", async () => {
          await using container = await make(`(${HUNGRY}); exit 5`);
          await container.start();
          assert.equal(await container.end(), "5");
          assert.ok(await exists(container.path("oom")));
        });

        it("leaves none when all is well", async () => {
          await using container = await make("exit 0");
          await container.start();
          assert.equal(await container.end(), "0");
          assert.equal(await exists(container.path("oom")), false);
        });

        it("leaves none when the cgroup is removed", async () => {
          await using container = await make("sleep 1000");
          await container.start();
          await run(container.runtime, ["delete", "--force", container.id]);
          assert.equal(await container.end(), "137");
          assert.equal(await exists(container.path("oom")), false);
        });
      });
    }
  }

  // A v2 tree whose memory.events is a plain file: the monitor's logic, not the kernel's kill.
  describe("ours on a v2 tree", () => {
    it("keeps its watch through harmless events", async () => {
      const result = await onV2(`
        printf 'low 0\\nhigh 0\\nmax 3\\noom 0\\noom_kill 0\\n' > $events; sleep 0.2
        [ ! -e $bundle/oom ] || exit 90
        printf 'max 9\\noom 1\\noom_kill 1\\n' > $events; sleep 0.2
        [ -e $bundle/oom ] || exit 91
        rm $events; kill -KILL $container`);
      assert.deepEqual(result, { code: 0, oom: true });
    });

    it("looks once more at the end", async () => {
      const result = await onV2(`
        kill -STOP $monitor; echo 'oom_kill 1' > $events; kill -KILL $container
        kill -CONT $monitor`);
      assert.deepEqual(result, { code: 0, oom: true });
    });

    it("does not mind that the events are gone", async () => {
      assert.deepEqual(await onV2("rm $events; kill -KILL $container"), { code: 0, oom: false });
    });

    /** Runs a script beside a monitor whose container is a plain process in a cgroup of its own. */
    async function onV2(script: string): Promise<{ code: number; oom: boolean }> {
      const bundle = await Deno.makeTempDir({ dir: stage.directory });
      const name = basename(bundle);
      const runtime = join(bundle, "runtime");
      await Deno.writeTextFile(
        runtime,
        `#!/bin/bash
sleep 1000 < /dev/null > /dev/null 2>&1 &
echo $! > ${bundle}/tree/${name}/cgroup.procs
echo $! > ${bundle}/pid
`,
      );
      await Deno.chmod(runtime, 0o755);
      const program = await monitorProgram("ours");
      const setUp = `
        bundle=${bundle}; cgroup=/sys/fs/cgroup/${name}; events=$cgroup/memory.events
        mkdir $bundle/tree
        mount --make-rprivate / && mount -t cgroup2 none /sys/fs/cgroup &&
          mount -t cgroup2 none $bundle/tree && mkdir -p $cgroup &&
          mount -t tmpfs none $cgroup && echo 'oom 0' > $events || exit 80
        ${program} -c id -u ${name} -b $bundle -r ${runtime} -p $bundle/pid -l none \
          --persist-dir $bundle --exit-dir $bundle -P $bundle/monitor-pid \
          --socket-dir-path ${stage.sockets} < /dev/null || exit 81
        for i in $(seq 100); do [ -s $bundle/pid ] && [ -e $bundle/ctl ] && break; sleep 0.05; done
        sleep 0.3
        container=$(cat $bundle/pid); monitor=$(cat $bundle/monitor-pid)`;
      const wait = `
        for i in $(seq 100); do [ -e $bundle/id ] && break; sleep 0.05; done
        umount $cgroup; rmdir $cgroup; [ -e $bundle/id ] || exit 82`;
      const { code } = await run("unshare", [
        ...["--mount", "bash", "-c", setUp + script + wait],
      ], { timeoutMs: 30_000 });
      return { code, oom: await exists(join(bundle, "oom")) };
    }
  });
});
