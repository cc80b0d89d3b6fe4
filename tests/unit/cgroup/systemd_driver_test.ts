import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createCgroupDriver } from "../../../src/cgroup/mod.ts";
import { SystemdDriver } from "../../../src/cgroup/systemd/driver.ts";
import { SystemdManager } from "../../../src/cgroup/systemd/manager.ts";

const layout = {
  version: 2,
  hierarchies: [{ root: "/nonexistent", controllers: new Set(["cpu"]) }],
} as const;
const driver = new SystemdDriver(layout, new SystemdManager(["/nonexistent/private"]));

describe("paths of the systemd driver", () => {
  it("name slice, prefix and id for the runtime, which asks systemd for the scope", () => {
    assert.equal(driver.specPath("kubepods-pod1.slice", "abc"), "kubepods-pod1.slice:crio:abc");
    assert.equal(
      driver.containerPath("kubepods-pod1.slice", "abc"),
      "/kubepods.slice/kubepods-pod1.slice/crio-abc.scope",
    );
  });

  it("name the whole path of a pod's slice, where its figures are", async () => {
    assert.equal(driver.podPath("kubepods-pod1.slice"), "/kubepods.slice/kubepods-pod1.slice");
    assert.equal(driver.podPath(""), "/system.slice");
    const root = await Deno.makeTempDir();
    try {
      const path = driver.podPath("kubepods-pod1.slice");
      await Deno.mkdir(root + path, { recursive: true });
      await Deno.writeTextFile(`${root}${path}/cpu.stat`, "usage_usec 5\n");
      const hierarchies = [{ root, controllers: new Set(["cpu"]) }];
      const own = new SystemdDriver({ version: 2, hierarchies }, new SystemdManager([]));
      assert.equal((await own.stats(path))?.cpu.usageNanoseconds, 5000n);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });

  it("default the parent to system.slice and take a whole path for its last part", () => {
    assert.equal(driver.parent(""), "system.slice");
    assert.equal(driver.parent("/kubepods.slice/kubepods-pod1.slice"), "kubepods-pod1.slice");
  });

  it("refuse a parent that is no slice with the text that CRI-O has for it", () => {
    assert.throws(() => driver.parent("/kubepods/pod1"), {
      code: "invalid_argument",
      message: /systemd cgroup manager, but did not receive slice as parent: \/kubepods\/pod1$/,
    });
    assert.throws(() => driver.parent("a--b.slice"), { code: "invalid_argument" });
  });

  it("put monitors into the handler's slice, or the pod's", () => {
    assert.equal(
      driver.monitorPath("kubepods.slice", "abc", "system.slice"),
      "/system.slice/crio-conmon-abc.scope",
    );
    assert.equal(
      driver.monitorPath("kubepods.slice", "abc", "pod"),
      "/kubepods.slice/crio-conmon-abc.scope",
    );
  });

  it("put processes that pull into the slice that is set, or the pod's", () => {
    assert.equal(
      driver.pullPath("pulls.slice", "kubepods.slice", 7),
      "/pulls.slice/crio-pull-image-7.scope",
    );
    assert.equal(
      driver.pullPath("pod", "kubepods-besteffort.slice", 7),
      "/kubepods.slice/kubepods-besteffort.slice/crio-pull-image-7.scope",
    );
    assert.throws(() => driver.pullPath("/pulls", "", 7), { code: "invalid_argument" });
  });

  it("find a container that the cgroupfs driver has made, by its parent", () => {
    assert.equal(driver.containerPath("/kubepods/pod1", "abc"), "/kubepods/pod1/crio-abc");
  });

  it("never kill or remove the root, which holds the host", async () => {
    for (const path of ["/", "", "/a/.."]) {
      await assert.rejects(driver.kill(path), { code: "invalid_argument" });
      await assert.rejects(driver.remove(path), { code: "invalid_argument" });
    }
  });

  it("say that a process has ended that cannot be placed any more", async () => {
    await assert.rejects(driver.place("/a.slice/b.scope", 0x7fff_fff0), { code: "not_found" });
    await assert.rejects(driver.place("/a.slice/b.scope", Deno.pid), { code: "unavailable" });
  });
});

describe("a host without systemd", () => {
  // Where this runs may be either.
  const booted = exists("/run/systemd/system");

  it(`${booted ? "has" : "refuses"} the systemd driver`, async () => {
    const created = createCgroupDriver({ manager: "systemd", layout });
    if (booted) assert.equal((await created).kind, "systemd");
    else {
      await assert.rejects(created, {
        code: "failed_precondition",
        message: /does not run systemd; set cgroup_manager = "cgroupfs"/,
      });
    }
  });
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
