import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, describe, it } from "@std/testing/bdd";
import {
  containerState,
  deleteContainer,
  isAlive,
  listContainers,
  NO_RESOURCES,
  pauseContainer,
  readExit,
  resumeContainer,
  startContainer,
  updateContainer,
} from "../../../src/oci/mod.ts";
import { readKernelFile } from "../../../src/linux/mod.ts";
import { DEFAULTS, makePlace, type Place } from "./fixture.ts";

for (const name of ["runc", "crun"]) {
  describe(`the life of a container under ${name}`, () => {
    let place: Place;
    before(async () => {
      place = await makePlace();
    });
    after(() => place[Symbol.asyncDispose]());

    it("goes from created to running to stopped, with its exit code and its output", async () => {
      const handler = place.handler(name);
      const made = await place.create({ handler, run: "echo out; echo err >&2; exit 7" });
      assert.equal((await containerState(handler, made.id))?.status, "created");
      assert.equal(isAlive(made.init), true);
      assert.equal(made.monitor !== undefined && isAlive(made.monitor), true);
      assert.deepEqual(await listContainers(handler), [made.id]);

      await startContainer(handler, made.id);
      await made.closed;

      const exit = await readExit(made.persistDir, made.bundle);
      assert.equal(exit?.code, 7);
      assert.equal(exit.oomKilled, false);
      assert.ok(Math.abs(Number(exit.finishedAt / 1_000_000n) - Date.now()) < 5000);
      assert.notEqual(exit.finishedAt % 1_000_000_000n, 0n, "the time is finer than a second");
      const log = await readFile(made.logPath, "utf8");
      assert.match(log, /^\S+ stdout F out$/m);
      assert.match(log, /^\S+ stderr F err$/m);
      assert.equal((await containerState(handler, made.id))?.status, "stopped");
      await deleteContainer(handler, made.id);
      assert.equal(await containerState(handler, made.id), undefined);
    });

    it("ends by the signal that it is sent", async () => {
      const handler = place.handler(name);
      const made = await place.create({
        handler,
        run: "trap 'exit 5' TERM; echo ready; sleep 1000 & wait",
      });
      await startContainer(handler, made.id);
      // The kernel drops a signal that the first process of a namespace has no handler for.
      while (!(await readFile(made.logPath, "utf8")).includes("ready")) await pause(5);
      process.kill(made.init.pid, "SIGTERM");
      await made.closed;
      assert.equal((await readExit(made.persistDir, made.bundle))?.code, 5);
    });

    it("is killed with everything in it when it is deleted while it runs", async () => {
      const handler = place.handler(name);
      const made = await place.create({ handler, run: "setsid sleep 1000 & sleep 1000" });
      await startContainer(handler, made.id);
      await deleteContainer(handler, made.id);
      await made.closed;
      assert.equal(isAlive(made.init), false);
      assert.equal(await containerState(handler, made.id), undefined);
    });

    it("takes deletion of the unknown as done", async () => {
      const handler = place.handler(name);
      await deleteContainer(handler, "nosuch");
      assert.equal(await containerState(handler, "nosuch"), undefined);
    });

    it("says which command cannot be started", async () => {
      const handler = place.handler(name);
      await assert.rejects(async () => {
        const made = await place.create({ handler, run: "", input: { command: ["/no/such"] } });
        await startContainer(handler, made.id);
      }, /\/no\/such.*(no such file|not found)/i);
    });

    it("is paused and resumed", async () => {
      const handler = place.handler(name);
      const made = await place.create({ handler, run: "sleep 1000" });
      await startContainer(handler, made.id);
      await pauseContainer(handler, made.id);
      assert.equal((await containerState(handler, made.id))?.status, "paused");
      await resumeContainer(handler, made.id);
      assert.equal((await containerState(handler, made.id))?.status, "running");
      await deleteContainer(handler, made.id);
    });

    it("gets new limits while it runs, and keeps those that are not mentioned", async () => {
      const handler = place.handler(name);
      const resources = {
        ...NO_RESOURCES,
        cpuPeriod: 100_000,
        cpuQuota: 50_000,
        cpuShares: 512,
        memoryLimit: 64 << 20,
      };
      const made = await place.create({ handler, run: "sleep 1000", input: { resources } });
      await startContainer(handler, made.id);
      const file = (path: string) => {
        const [controller, name] = path.split("/");
        const cgroup = `/sys/fs/cgroup/${controller}${place.cgroupParent}/${made.id}`;
        return readKernelFile(`${cgroup}/${name}`)?.trim();
      };
      assert.equal(file("memory/memory.limit_in_bytes"), String(64 << 20));
      assert.equal(file("memory/memory.memsw.limit_in_bytes"), String(64 << 20));
      assert.equal(file("cpu/cpu.shares"), "512");
      assert.equal(file("cpu/cpu.cfs_quota_us"), "50000");
      const changed = { ...NO_RESOURCES, cpuShares: 1024, memoryLimit: 128 << 20 };
      await updateContainer(handler, made.id, changed, DEFAULTS.cgroup);
      assert.equal(file("memory/memory.limit_in_bytes"), String(128 << 20));
      assert.equal(file("memory/memory.memsw.limit_in_bytes"), String(128 << 20));
      assert.equal(file("cpu/cpu.shares"), "1024");
      assert.equal(file("cpu/cpu.cfs_quota_us"), "50000");
      await deleteContainer(handler, made.id);
    });

    it("is told to have run out of memory", async () => {
      const handler = place.handler(name);
      const made = await place.create({
        handler,
        run: "dd if=/dev/zero of=/dev/null bs=40M",
        input: {
          resources: { ...NO_RESOURCES, memoryLimit: 20 << 20, memorySwapLimit: 20 << 20 },
        },
      });
      await startContainer(handler, made.id);
      await made.closed;
      const exit = await readExit(made.persistDir, made.bundle);
      assert.equal(exit?.code, 137);
      assert.equal(exit.oomKilled, true);
    });
  });
}
