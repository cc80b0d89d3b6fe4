import { afterEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type CgroupDriver, createCgroupDriver, detectLayout } from "../../../src/cgroup/mod.ts";
import { kernelFileExists, run } from "../../../src/linux/mod.ts";

const SERVES = kernelFileExists("/run/systemd/system");

// Where systemd does not run: ./dev vm integration.
describe("the systemd driver on a host that systemd runs", { ignore: !SERVES }, () => {
  const slice = `cridtest${process.pid}.slice`;
  const id = "0123456789abcdef";
  const children: ChildProcess[] = [];
  const make = () => createCgroupDriver({ manager: "systemd" });

  function start(...command: readonly [string, ...string[]]): ChildProcess & { pid: number } {
    const [program, ...args] = command;
    const child = spawn(program, args, { stdio: "ignore" });
    children.push(child);
    assert.ok(child.pid !== undefined);
    return child as ChildProcess & { pid: number };
  }

  const cgroup = (pid: number) => Deno.readTextFileSync(`/proc/${pid}/cgroup`);
  const output = async (command: string, ...args: readonly string[]) => {
    const { stdout } = await run(command, args);
    return new TextDecoder().decode(stdout).trim();
  };
  const units = () =>
    output("systemctl", "list-units", "--all", "--no-legend", "--plain", "*cridtest*", `*${id}*`);

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    const driver: CgroupDriver = await make();
    await driver.remove(driver.monitorPath(slice, id, "pod") ?? "/none");
    await run("systemctl", ["stop", slice]);
  });

  it("gives a monitor a scope in the pod's slice, with the properties that CRI-O gives it", async () => {
    const driver = await make();
    const child = start("sleep", "600");
    const path = driver.monitorPath(slice, id, "pod");
    assert.equal(path, `/${slice}/crio-conmon-${id}.scope`);
    await driver.place(path!, child.pid);
    assert.match(cgroup(child.pid), new RegExp(`${path}$`, "m"));
    const shown = await output(
      ...["systemctl", "show", `crio-conmon-${id}.scope`, "--property"] as const,
      "Slice,Delegate,DefaultDependencies,KillSignal",
    );
    assert.deepEqual(shown.split("\n").sort(), [
      "DefaultDependencies=no",
      "Delegate=yes",
      "KillSignal=13",
      `Slice=${slice}`,
    ]);
  });

  it("puts a monitor into system.slice when the runtime handler says so", async () => {
    const driver = await make();
    const child = start("sleep", "600");
    const path = driver.monitorPath(slice, id, "system.slice");
    await driver.place(path!, child.pid);
    assert.match(cgroup(child.pid), new RegExp(`/system.slice/crio-conmon-${id}.scope$`, "m"));
    await driver.remove(path!);
    assert.equal(await units(), "");
  });

  it("gives a monitor the CPUs that its workload allows", async () => {
    const driver = await make();
    const child = start("sleep", "600");
    const limits = { shares: 512, cpus: "0" };
    const path = driver.monitorPath(slice, id, "pod", limits)!;
    await driver.place(path, child.pid, limits);
    const unit = `crio-conmon-${id}.scope`;
    const shown = await output("systemctl", "show", unit, "--property", "AllowedCPUs,CPUWeight");
    assert.deepEqual(shown.split("\n").sort(), ["AllowedCPUs=0", "CPUWeight=20"]);
  });

  it("lets go of a monitor's scope that was killed", async () => {
    const driver = await make();
    const child = start("sleep", "600");
    const path = driver.monitorPath(slice, id, "pod")!;
    await driver.place(path, child.pid);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    await driver.remove(path);
    assert.doesNotMatch(await units(), /crio-conmon/);
  });

  it("says that a process which has ended cannot be placed", async () => {
    const driver = await make();
    const child = start("true");
    await once(child, "exit");
    const path = driver.monitorPath(slice, id, "pod")!;
    await assert.rejects(driver.place(path, child.pid), {
      code: "not_found",
      message: /it has ended/,
    });
    assert.doesNotMatch(await units(), /crio-conmon/);
  });

  it("places a second process in a scope that is there", async () => {
    const driver = await make();
    const path = driver.monitorPath(slice, id, "pod")!;
    const [one, other] = [start("sleep", "600"), start("sleep", "600")];
    await driver.place(path, one.pid);
    await driver.place(path, other.pid);
    const both = await driver.processes(path);
    assert.deepEqual(both.toSorted(), [one.pid, other.pid].sort());
  });

  it("kills all of a scope, removes it, and leaves systemd no unit of it", async () => {
    const driver = await make();
    const path = driver.monitorPath(slice, id, "pod")!;
    const child = start("sh", "-c", "sleep 600 & sleep 600");
    await driver.place(path, child.pid);
    const ended = once(child, "exit");
    await driver.kill(path);
    assert.deepEqual((await ended)[1], "SIGKILL");
    await driver.remove(path);
    await driver.remove(path);
    assert.doesNotMatch(await units(), /crio-conmon/);
  });

  it("lets go of a scope that has failed because its process ran out of memory", async () => {
    const driver = await make();
    const path = driver.monitorPath(slice, id, "pod")!;
    const child = start("sh", "-c", "sleep 2; exec tail /dev/zero");
    await driver.place(path, child.pid);
    await run("systemctl", [
      ...["set-property", "--runtime", `crio-conmon-${id}.scope`],
      ...["MemoryMax=8M", "MemorySwapMax=0"],
    ]);
    const [, signal] = await once(child, "exit");
    assert.equal(signal, "SIGKILL");
    await driver.remove(path);
    assert.doesNotMatch(await units(), /crio-conmon/);
    const again = start("sleep", "600");
    await driver.place(path, again.pid);
    assert.deepEqual(await driver.processes(path), [again.pid]);
  });

  it("makes a pod's directory below its slice, where figures of the pod are found", async () => {
    const driver = await make();
    const [root] = detectLayout().hierarchies.map((hierarchy) => hierarchy.root);
    await driver.createSandbox(slice, id);
    assert.ok(kernelFileExists(`${root}/${slice}/crio-${id}`));
    assert.ok(await driver.stats(`/${slice}`));
    await driver.removeSandbox(slice, id);
    await driver.removeSandbox(slice, id);
    assert.ok(!kernelFileExists(`${root}/${slice}/crio-${id}`));
  });

  it("takes slices only, in systemd's notation", async () => {
    const driver = await make();
    const path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice";
    assert.equal(driver.parent(path), "kubepods-burstable-pod1.slice");
    assert.equal(driver.containerPath(driver.parent(path), id), `${path}/crio-${id}.scope`);
    assert.throws(() => driver.parent("/kubepods/pod1"), { code: "invalid_argument" });
    assert.throws(() => driver.parent("a--b.slice"), { code: "invalid_argument" });
  });
});
