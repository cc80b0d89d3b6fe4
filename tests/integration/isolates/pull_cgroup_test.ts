import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import { readKernelFile } from "../../../src/linux/mod.ts";
import { type Crid, podConfig, startCrid, startRegistry } from "../../harness/mod.ts";
import { pushTestImages } from "../../images/mod.ts";

const SMALL = "crid/oci";
const OTHER = "crid/plain";
const ARTIFACT = "crid/artifact";
/** Nothing announces that a process that is not ours has come or gone. */
const LOOK_MS = 50;
const LONGEST_MS = 30_000;

const name = (repository: string) => ({ image: `registry.k8s.io/${repository}:latest` });

/** The processes that pull for a crid. */
function pullers(crid: Crid): readonly number[] {
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = readKernelFile(`/proc/${name}/cmdline`)?.split("\0") ?? [];
    const parent = /^PPid:\s+(\d+)/m.exec(readKernelFile(`/proc/${name}/status`) ?? "")?.[1];
    if (words.includes("pull-process") && Number(parent) === crid.pid) pids.push(Number(name));
  }
  return pids;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + LONGEST_MS; !condition();) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function isAlive(pid: number): boolean {
  return readKernelFile(`/proc/${pid}/stat`) !== undefined &&
    !/\) [ZX] /.test(readKernelFile(`/proc/${pid}/stat`) ?? "");
}

/** Where a process is, in every hierarchy. */
function cgroups(pid: number): ReadonlySet<string> {
  const lines = readKernelFile(`/proc/${pid}/cgroup`)?.trim().split("\n") ?? [];
  return new Set(lines.map((line) => line.slice(line.indexOf(":", line.indexOf(":") + 1) + 1)));
}

async function removeCgroup(path: string): Promise<void> {
  for (const { name } of Deno.readDirSync("/sys/fs/cgroup")) {
    await Deno.remove(`/sys/fs/cgroup/${name}${path}`).catch(() => {});
  }
}

async function crids(setting: string): Promise<Crid & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  await pushTestImages(registry.url, [SMALL, OTHER, ARTIFACT]);
  const settings = `[crio.runtime]\nseparate_pull_cgroup = "${setting}"\n`;
  const crid = stack.use(await startCrid({ registry: registry.host, settings }));
  const owned = stack.move();
  return Object.assign(crid, { [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

describe("pulls in a cgroup of their own", () => {
  it("run in one process below the path that is set, which ends when idle", async () => {
    const path = `/crid-pulls-${crypto.randomUUID().slice(0, 8)}`;
    // Disposed after crid, and all that it has put there.
    await using _cgroup = { [Symbol.asyncDispose]: () => removeCgroup(path) };
    await using crid = await crids(path);
    const { image } = crid.client;
    await Promise.all([SMALL, OTHER].map((each) => image.pullImage({ image: name(each) })));
    const [pid, ...more] = pullers(crid);
    assert.deepEqual(more, []);
    assert.ok(pid !== undefined);
    assert.ok(cgroups(pid).has(`${path}/crio-pull-image-${pid}`), [...cgroups(pid)].join());
    assert.ok(!cgroups(crid.pid).has(`${path}/crio-pull-image-${pid}`));
    await image.pullImage({ image: name(ARTIFACT) });
    const { images } = await image.listImages();
    assert.equal(images.length, 3);
    await until("the idle process ends", () => !isAlive(pid));
    await until("its cgroup goes", () => {
      const find = new Deno.Command("find", {
        args: ["/sys/fs/cgroup", "-name", `crio-pull-image-${pid}`],
      });
      return find.outputSync().stdout.length === 0;
    });
    assert.match(crid.log, /pulling in a cgroup of its own/);
    assert.doesNotMatch(crid.log, /level=error/);
  });

  it("belong to the pod that they are for, and to crid when they are for none", async () => {
    await using crid = await crids("pod");
    const { image } = crid.client;
    await image.pullImage({ image: name(SMALL) });
    assert.deepEqual(pullers(crid), []);
    await image.pullImage({ image: name(OTHER), sandboxConfig: podConfig(crid) });
    const [pid] = pullers(crid);
    assert.ok(cgroups(pid!).has(`${crid.node.cgroupParent}/crio-pull-image-${pid}`));
    process.kill(pid!, "SIGKILL");
    await until(
      "crid knows that the process has died",
      () => crid.log.includes("the process of pulls has died"),
    );
    await image.pullImage({ image: name(ARTIFACT), sandboxConfig: podConfig(crid) });
    const [next] = pullers(crid);
    assert.notEqual(next, pid);
    await crid.kill9();
    await until("the process ends with crid", () => !isAlive(next!));
    await crid.start();
    await crid.client.image.removeImage({ image: name(SMALL) });
    await crid.client.image.pullImage({ image: name(SMALL), sandboxConfig: podConfig(crid) });
    const [last] = pullers(crid);
    await crid.stop();
    assert.ok(!isAlive(last!));
  });

  it("are refused at the start where the cgroup driver cannot follow", async () => {
    await assert.rejects(
      () => crids("pulls.slice"),
      /with cgroup_manager = .*cgroupfs.* or an absolute path/,
    );
  });
});
