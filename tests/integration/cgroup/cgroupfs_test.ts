import { afterEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import {
  type CgroupDriver,
  type CgroupLayout,
  createCgroupDriver,
  detectLayout,
} from "../../../src/cgroup/mod.ts";

/** The host's own layout, and on a hybrid host its v2 tree too: it has no controllers, but processes. */
const layouts: Record<string, CgroupLayout> = { "the host's cgroups": detectLayout() };
const unified = "/sys/fs/cgroup/unified";
if (Deno.readTextFileSync("/proc/self/mountinfo").includes(` ${unified} `)) {
  layouts["the unified tree of a hybrid host"] = {
    version: 2,
    hierarchies: [{ root: unified, controllers: new Set() }],
  };
}

for (const [name, layout] of Object.entries(layouts)) {
  describe(`the cgroupfs driver on ${name}`, () => {
    const parent = `/crid-test-${process.pid}-${layout.version}`;
    const children: number[] = [];
    const make = () => createCgroupDriver({ manager: "cgroupfs", layout });
    const exists = (path: string) =>
      layout.hierarchies.map(({ root }) => {
        try {
          return Deno.statSync(root + path).isDirectory;
        } catch {
          return false;
        }
      });

    /** A shell that runs `script` and is killed after the test. */
    function start(script: string): number {
      const child = spawn("sh", ["-c", script], { stdio: "ignore", detached: true });
      children.push(child.pid!);
      return child.pid!;
    }

    afterEach(async () => {
      const driver = await make();
      for (const pid of children.splice(0)) {
        try {
          process.kill(-pid, "SIGKILL");
        } catch {
          // Killed by the test.
        }
      }
      await driver.kill(parent);
      await driver.remove(parent);
    });

    it("makes a sandbox's cgroup in every hierarchy and removes it again", async () => {
      const driver = await make();
      const path = driver.containerPath(parent, "pod1");
      await driver.createSandbox(parent, "pod1");
      await driver.createSandbox(parent, "pod1");
      assert.ok(exists(path).every((there) => there));
      await driver.removeSandbox(parent, "pod1");
      await driver.removeSandbox(parent, "pod1");
      assert.ok(exists(path).every((there) => !there));
    });

    it("limits the CPUs of a monitor in a cgroup of its own, where there are controllers", async () => {
      const driver = await make();
      assert.equal(driver.monitorPath(parent, "abc", ""), undefined);
      const limits = { shares: 512, cpus: "0" };
      const path = driver.monitorPath(parent, "abc", "", limits)!;
      assert.equal(path, `${parent}/crio-conmon-abc`);
      const pid = start("exec sleep 60");
      await driver.place(path, pid, limits);
      assert.deepEqual(await driver.processes(path), [pid]);
      const read = (controller: string, file: string) => {
        const hierarchy = layout.hierarchies.find((each) => each.controllers.has(controller));
        return hierarchy && Deno.readTextFileSync(`${hierarchy.root}${path}/${file}`).trim();
      };
      const cpu = layout.version === 1 ? read("cpu", "cpu.shares") : read("cpu", "cpu.weight");
      assert.equal(cpu, read("cpu", "cgroup.procs") && (layout.version === 1 ? "512" : "20"));
      assert.equal(read("cpuset", "cpuset.cpus"), read("cpuset", "cgroup.procs") && "0");
    });

    it("places a process in every hierarchy and lists it from the parent too", async () => {
      const driver = await make();
      const pid = start("exec sleep 60");
      await driver.place(`${parent}/monitor`, pid);
      const membership = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
      assert.equal(
        membership.split(`${parent}/monitor\n`).length - 1,
        layout.hierarchies.length,
        membership,
      );
      assert.deepEqual(await driver.processes(`${parent}/monitor`), [pid]);
      assert.deepEqual(await driver.processes(parent), [pid]);
    });

    it("says that a process which has ended cannot be placed", async () => {
      const driver = await make();
      const child = spawn("true");
      await new Promise((resolve) => child.once("exit", resolve));
      await assert.rejects(driver.place(`${parent}/x`, child.pid!), {
        code: "not_found",
        message: /it has ended/,
      });
    });

    it("kills a tree of processes that keeps forking, children's cgroups included", async () => {
      const driver = await make();
      const forker = "trap '' TERM; while :; do (sleep 5 & sleep 5 &); sleep 0.01; done";
      await driver.place(`${parent}/a`, start(forker));
      await driver.place(`${parent}/a/b/c`, start(forker));
      await pause(100);
      assert.ok((await driver.processes(parent)).length > 4);
      await driver.kill(parent);
      assert.deepEqual(await driver.processes(parent), []);
      await driver.remove(parent);
      assert.ok(exists(parent).every((there) => !there));
    });

    it("kills what is frozen", async () => {
      const driver = await make();
      await driver.place(`${parent}/a/b`, start("exec sleep 60"));
      freeze(layout, `${parent}/a/b`);
      await driver.kill(`${parent}/a`);
      assert.deepEqual(await driver.processes(parent), []);
    });

    it("stops waiting for the end when the caller gives up", async () => {
      const driver = await make();
      await driver.place(`${parent}/a`, start("exec sleep 60"));
      await assert.rejects(driver.kill(`${parent}/a`, AbortSignal.abort(new Error("given up"))), {
        message: "given up",
      });
    });

    it("waits for a process that is leaving, and names the one that stays", async () => {
      const driver = await make();
      const leaving = start("sleep 0.3");
      await driver.place(`${parent}/a`, leaving);
      await driver.remove(`${parent}/a`);
      const staying = start("exec sleep 60");
      await driver.place(`${parent}/b`, staying);
      await assert.rejects(driver.remove(`${parent}/b`), {
        code: "failed_precondition",
        message: new RegExp(`still in use by processes ${staying}`),
      });
    });

    it("finds nothing to do for a cgroup that never was", async () => {
      const driver = await make();
      await driver.kill(`${parent}/never`);
      await driver.remove(`${parent}/never`);
      assert.deepEqual(await driver.processes(`${parent}/never`), []);
      assert.equal(await driver.stats(`${parent}/never`), undefined);
      assert.equal(await driver.oomKills(`${parent}/never`), 0);
    });
  });
}

describe("figures of a real cgroup", () => {
  const parent = `/crid-test-figures-${process.pid}`;
  let driver: CgroupDriver;
  const layout = detectLayout();

  afterEach(async () => {
    await driver.kill(parent);
    await driver.remove(parent);
  });

  it("count the CPU time, the memory and the processes of a busy container", async () => {
    driver = await createCgroupDriver({ manager: "cgroupfs" });
    const child = spawn("sh", ["-c", "read go; head -c 5000000 /dev/zero | tail; read end"]);
    await driver.createSandbox(parent, "1");
    const path = driver.containerPath(parent, "1");
    await driver.place(path, child.pid!);
    const before = await driver.stats(path);
    child.stdin.write("\n");
    for await (const _ of child.stdout) break;
    const after = await driver.stats(path);
    child.kill("SIGKILL");
    assert.ok(before && after);
    assert.ok(after.cpu.usageNanoseconds > before.cpu.usageNanoseconds);
    assert.ok(after.cpu.timestamp >= before.cpu.timestamp);
    assert.ok(after.memory.usage > 0);
    assert.ok(after.memory.pageFaults > before.memory.pageFaults);
    assert.equal(before.pids, 1);
    assert.equal(before.memory.limit, 0);
    assert.equal((await driver.details(path))?.cpuPeriod, 100_000);
  });

  it("count the victim of the OOM killer, also one in a child's cgroup", async () => {
    driver = await createCgroupDriver({ manager: "cgroupfs" });
    await driver.createSandbox(parent, "1");
    const path = driver.containerPath(parent, "1");
    limitMemory(layout, path, 8 * 1024 * 1024);
    const child = spawn("sh", ["-c", "read go; exec tail /dev/zero"]);
    await driver.place(`${path}/child`, child.pid!);
    assert.equal(await driver.oomKills(path), 0);
    child.stdin.write("\n");
    const signal = await new Promise((resolve) => child.once("exit", (_, name) => resolve(name)));
    assert.equal(signal, "SIGKILL");
    assert.equal(await driver.oomKills(path), 1);
    const stats = await driver.stats(path);
    assert.equal(stats?.memory.limit, 8 * 1024 * 1024);
  });
});

function freeze(layout: CgroupLayout, path: string): void {
  if (layout.version === 2) {
    Deno.writeTextFileSync(`${layout.hierarchies[0]!.root}${path}/cgroup.freeze`, "1");
    return;
  }
  const freezer = layout.hierarchies.find(({ controllers }) => controllers.has("freezer"));
  Deno.writeTextFileSync(`${freezer!.root}${path}/freezer.state`, "FROZEN");
}

function limitMemory(layout: CgroupLayout, path: string, bytes: number): void {
  const memory = layout.hierarchies.find(({ controllers }) => controllers.has("memory"))!;
  const files = layout.version === 2
    ? { "memory.max": bytes, "memory.swap.max": 0 }
    : { "memory.limit_in_bytes": bytes, "memory.memsw.limit_in_bytes": bytes };
  for (const [file, value] of Object.entries(files)) {
    Deno.writeTextFileSync(`${memory.root}${path}/${file}`, String(value));
  }
}
