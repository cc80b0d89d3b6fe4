import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, it } from "@std/testing/bdd";
import { execSync, startContainer } from "../../../src/oci/mod.ts";
import { listKernelDirectory, processArguments } from "../../../src/linux/mod.ts";
import { type Made, makePlace, NO_SECURITY, type Place } from "./fixture.ts";

for (const name of ["runc", "crun"]) {
  describe(`a command in a container under ${name}`, () => {
    let place: Place;
    let made: Made;
    before(async () => {
      place = await makePlace();
      made = await place.create({
        handler: place.handler(name),
        run: "sleep 100000",
        input: {
          env: [["GREETING", "hello"]],
          workingDir: "/tmp",
          security: {
            ...NO_SECURITY,
            runAsUser: 1000,
            runAsGroup: 1234,
            supplementalGroups: [77],
          },
        },
      });
      await startContainer(place.handler(name), made.id);
    });
    after(() => place[Symbol.asyncDispose]());

    const exec = async (
      command: string,
      options: {
        timeout?: number;
        signal?: AbortSignal;
        args?: string[];
        terminal?: boolean;
      } = {},
    ) => {
      const result = await execSync({
        id: made.id,
        handler: place.handler(name),
        bundle: made.bundle,
        spec: {
          ...made.spec,
          process: { ...made.spec.process, terminal: options.terminal ?? false },
        },
        args: options.args ?? ["sh", "-c", command],
        timeout: options.timeout ?? 20,
        signal: options.signal,
      });
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { ...result, stdout: text(result.stdout), stderr: text(result.stderr) };
    };

    it("gives its exit code and both of its streams", async () => {
      const result = await exec("echo -n out; echo -n err >&2; exit 3");
      assert.deepEqual(result, { exitCode: 3, stdout: "out", stderr: "err", timedOut: false });
    });

    it("has a terminal when the container has one", async () => {
      const { stdout, ...result } = await exec("test -t 0 && test -t 1 && echo out; echo err >&2", {
        terminal: true,
      });
      assert.equal(stdout, "out\r\nerr\r\n");
      assert.deepEqual(result, { exitCode: 0, stderr: "", timedOut: false });
      assert.equal((await exec("exit 3", { terminal: true })).exitCode, 3);
      await assert.rejects(exec("", { args: ["no-such-command"], terminal: true }), {
        message: /exec in container .*no-such-command/,
      });
      const late = await exec("echo before; sleep 77007", { terminal: true, timeout: 1 });
      assert.deepEqual([late.timedOut, late.stdout], [true, "before\r\n"]);
      assert.deepEqual(running("77007"), []);
    });

    it("tells the signal that ended it as 128 and its number", async () => {
      assert.equal((await exec("kill -9 $$")).exitCode, 137);
    });

    it("runs as the container's process does: user, groups, environment, directory", async () => {
      const { stdout } = await exec("id -u; id -g; id -G; echo $GREETING; pwd; cat; echo end");
      assert.equal(stdout, "1000\n1234\n1234 77 50000\nhello\n/tmp\nend\n");
    });

    it("leaves no files and no cgroups", async () => {
      await exec("true");
      const files = await readdir(made.bundle);
      assert.deepEqual(files.filter((file) => file.startsWith("exec-")), []);
      const cgroup = `/sys/fs/cgroup/freezer${place.cgroupParent}/${made.id}`;
      const entries = listKernelDirectory(cgroup) ?? [];
      assert.deepEqual(entries.filter((entry) => entry.isDirectory), []);
    });

    it("says what cannot be run, which is no exit code", async () => {
      await assert.rejects(exec("", { args: ["no-such-command"] }), (error: Error) => {
        assert.match(error.message, /exec in container .*no-such-command/);
        assert.doesNotMatch(error.message, /msg=|level=/);
        return true;
      });
      assert.equal((await exec("exit 255")).exitCode, 255);
    });

    it("keeps 16 MiB of each stream and drops the rest", async () => {
      const { stdout, stderr, exitCode } = await exec(
        "dd if=/dev/zero bs=1M count=20 2>/dev/null; dd if=/dev/zero bs=1M count=18 >&2 2>/dev/null; exit 4",
      );
      assert.equal(exitCode, 4);
      assert.equal(stdout.length, 16 << 20);
      assert.ok(stderr.length <= 16 << 20);
    });

    it("does not wait for a child in the background that holds its output", async () => {
      const start = performance.now();
      const result = await exec("sleep 77001 & echo started; exit 6");
      assert.equal(result.exitCode, 6);
      assert.equal(result.stdout, "started\n");
      assert.ok(performance.now() - start < 30_000);
      // It goes on: it is the user's own.
      assert.equal(running("77001").length, 1);
      await exec("pkill -9 -f 77001");
    });

    it("is killed when its time is up, with children that left their session and parents", async () => {
      const start = performance.now();
      const result = await exec(
        "echo before; setsid sleep 77002 & (setsid sh -c '(sleep 77003 &) ; exec sleep 77004' &) ; sleep 77005",
        { timeout: 1 },
      );
      assert.equal(result.timedOut, true);
      assert.equal(result.exitCode, -1);
      assert.equal(result.stdout, "before\n");
      const took = performance.now() - start;
      assert.ok(took >= 1000 && took < 30_000, `took ${took} ms`);
      for (const seconds of ["77002", "77003", "77004", "77005"]) {
        assert.deepEqual(running(seconds), [], `sleep ${seconds} is gone`);
      }
      // The container's own process has not been touched.
      assert.equal((await exec("echo alive")).stdout, "alive\n");
    });

    it("is killed when the caller gives up", async () => {
      const controller = new AbortController();
      const result = exec("sleep 77006", { signal: controller.signal });
      setTimeout(() => controller.abort(new Error("gone away")), 300);
      await assert.rejects(result, /gone away/);
      assert.deepEqual(running("77006"), []);
    });

    it("can be one of many at the same time", async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, number) => exec(`echo ${number}; exit ${number}`)),
      );
      results.forEach((result, number) => {
        assert.deepEqual([result.exitCode, result.stdout], [number, `${number}\n`]);
      });
    });
  });
}

/** Processes of the host with this word on their command line. */
function running(word: string): number[] {
  return (listKernelDirectory("/proc") ?? [])
    .map((entry) => Number(entry.name))
    .filter((pid) => pid > 0 && processArguments(pid).some((argument) => argument === word));
}
