import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import { makeStage, type Runtime, type Stage } from "./container.ts";
import { monitorProgram } from "./monitor.ts";

const text = new TextDecoder();

// crun of Debian 12 cannot be used by podman on a hybrid cgroup layout.
const RUNTIMES: readonly Runtime[] = ["runc"];

for (const runtime of RUNTIMES) {
  describe(`podman over our monitor and ${runtime}`, () => {
    let stage: Stage;
    let podman: string[] = [];

    before(async () => {
      stage = await makeStage();
      const dir = stage.directory;
      podman = [
        ...[
          "--root",
          join(dir, "podman"),
          "--runroot",
          join(dir, "run"),
          "--tmpdir",
          join(dir, "tmp"),
        ],
        ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", runtime],
        ...["--events-backend", "none", "--conmon", await monitorProgram("ours")],
      ];
    });

    after(async () => {
      await call(["rm", "--force", "--all", "--time", "0"]);
      for (const path of await mountsBelow(stage.directory)) await run("umount", ["-l", path]);
      await stage[Symbol.asyncDispose]();
    });

    async function call(
      args: readonly string[],
      stdin?: string,
    ): Promise<{ code: number; out: string; err: string }> {
      const { code, stdout, stderr } = await run("podman", [...podman, ...args], {
        ...(stdin === undefined ? {} : { stdin }),
        timeoutMs: 30_000,
      });
      return { code, out: text.decode(stdout), err: text.decode(stderr) };
    }

    /** `podman run`, with limits that a host without CAP_SYS_RESOURCE allows. */
    function runArguments(...options: string[]): string[] {
      return [
        ...["run", "--network", "none", "--log-driver", "k8s-file"],
        ...["--ulimit", "nofile=512:512", "--ulimit", "nproc=1000:1000", ...options],
        ...["--rootfs", stage.rootfs, "/bin/sh", "-c"],
      ];
    }

    it("gets output and exit code of a container", async () => {
      const { code, out, err } = await call([
        ...runArguments("--rm"),
        "echo out; echo err >&2; exit 3",
      ]);
      assert.deepEqual({ code, out, err }, { code: 3, out: "out\n", err: "err\n" });
    });

    it("gives a container its input", async () => {
      const { out } = await call([...runArguments("--rm", "--interactive"), "cat"], "piped\n");
      assert.equal(out, "piped\n");
    });

    it("shows logs, runs commands and stops what runs in the background", async () => {
      const script = "echo started; trap 'exit 9' TERM; while :; do sleep 0.05; done";
      const { code } = await call([...runArguments("--detach", "--name", "server"), script]);
      assert.equal(code, 0);
      assert.equal((await call(["logs", "server"])).out, "started\n");

      const inside = await call(["exec", "server", "/bin/sh", "-c", "echo in; exit 4"]);
      assert.deepEqual({ code: inside.code, out: inside.out }, { code: 4, out: "in\n" });
      assert.equal((await call(["exec", "-i", "server", "cat"], "fed\n")).out, "fed\n");
      const missing = await call(["exec", "server", "/no/such"]);
      assert.equal(missing.code, 127);
      assert.match(missing.err, /no such file|not found/);

      await call(["stop", "--time", "5", "server"]);
      const format = "{{.State.Status}} {{.State.ExitCode}}";
      const { out } = await call(["inspect", "server", "--format", format]);
      assert.equal(out, "exited 9\n");
    });

    it("says what the runtime says of a container that cannot be started", async () => {
      const { code, err } = await call([
        ...runArguments("--rm").slice(0, -2),
        "/no/such/command",
      ]);
      assert.equal(code, 127);
      assert.match(err, /no such file|not found/);
    });
  });
}

async function mountsBelow(directory: string): Promise<string[]> {
  const lines = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${directory}/`)).reverse();
}
