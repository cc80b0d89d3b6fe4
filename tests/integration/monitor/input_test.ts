import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { isolate, output } from "../../harness/mod.ts";
import { makeStage, RUNTIMES, type Stage } from "./container.ts";
import { createContainer, logText, prepareContainer } from "./monitor.ts";

describe("the input of a container that asks for none", () => {
  let stage: Stage;

  before(async () => {
    stage = await makeStage();
    // Containers of mapped users look up files below it.
    await Deno.chmod(stage.directory, 0o755);
  });

  after(() => stage[Symbol.asyncDispose]());

  for (const runtime of RUNTIMES) {
    describe(`under ${runtime}`, () => {
      it("is a null device, as programs expect it", async () => {
        const script = "ls -lL /proc/self/fd/0; readlink /proc/self/fd/0; cat; " +
          "test -t 0 || echo no terminal; test -p /dev/fd/0 || echo no pipe";
        await using container = await createContainer({ stage, monitor: "ours", runtime, script });
        await container.start();
        assert.equal(await container.end(), "0");
        const [device, path, ...rest] = logText(await container.log()).trimEnd().split("\n");
        assert.match(device!, /^crw-rw-rw- .* 1, +3 /);
        assert.equal(path, "/dev/null");
        assert.deepEqual(rest, ["no terminal", "no pipe"]);
      });

      it("is not the host's, which keeps its owner whoever the container's user is", async () => {
        // In namespaces where another node of this test's own is in the place of the host's.
        await using isolation = await isolate();
        const place = join(stage.directory, `null-${runtime}`);
        await Deno.mkdir(place);
        const setUp = `mount -t tmpfs none ${place} && mknod -m 666 ${place}/null c 1 3 && ` +
          `mount --bind ${place}/null /dev/null`;
        await output(isolation, "sh", ["-c", setUp]);
        const owner = () => output(isolation, "stat", ["-c", "%u:%g %a", "/dev/null"]);
        assert.equal(await owner(), "0:0 666\n");

        const through = join(stage.directory, `inside-${runtime}`);
        const options = {
          ...{ stage, monitor: "ours", runtime, user: 1000, mappedTo: 200_000 } as const,
          script: "sleep 1000",
        };
        await using container = await prepareContainer(options);
        const words = [...isolation.through, container.program].join(" ");
        await Deno.writeTextFile(through, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
        await using inside = container.through(through);
        inside.launch(options);
        await inside.created();
        assert.equal(await owner(), "0:0 666\n", "after create");
        await inside.start();
        const { monitor } = await inside.exec("exit 3");
        assert.deepEqual(await monitor.answer(), { exit_code: 3 });
        assert.equal(await owner(), "0:0 666\n", "after exec");
      });
    });
  }
});
