import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createCgroupDriver } from "../../../src/cgroup/mod.ts";

const layout = {
  version: 2,
  hierarchies: [{ root: "/nonexistent", controllers: new Set<string>() }],
} as const;
const driver = await createCgroupDriver({ manager: "cgroupfs", layout });

describe("paths of the cgroupfs driver", () => {
  it("put a container below its parent with CRI-O's prefix", () => {
    assert.equal(driver.containerPath("/kubepods/pod1", "abc"), "/kubepods/pod1/crio-abc");
    assert.equal(driver.specPath("/kubepods/pod1", "abc"), "/kubepods/pod1/crio-abc");
    assert.equal(driver.containerPath("/", "abc"), "/crio-abc");
    assert.equal(driver.podPath("/kubepods/pod1"), "/kubepods/pod1");
    assert.equal(driver.podPath(""), "/crio");
  });

  it("default the parent to /crio and make a relative one absolute", () => {
    assert.equal(driver.parent(""), "/crio");
    assert.equal(driver.parent("kubepods//besteffort/"), "/kubepods/besteffort");
    assert.equal(driver.parent("/"), "/");
  });

  it("refuse a systemd slice with the text that CRI-O has for it", () => {
    assert.throws(() => driver.parent("/kubepods.slice"), {
      code: "invalid_argument",
      message: /but received systemd slice as parent: \/kubepods\.slice/,
    });
  });

  it("refuse a parent that climbs", () => {
    assert.throws(() => driver.parent("/a/../../etc"), { code: "invalid_argument" });
  });

  it("never kill or remove the root, which holds the host", async () => {
    for (const path of ["/", "", "//", "/.", "/a/.."]) {
      await assert.rejects(driver.kill(path), { code: "invalid_argument" });
      await assert.rejects(driver.remove(path), { code: "invalid_argument" });
    }
  });

  it("find a container that the systemd driver has made, by its parent", () => {
    assert.equal(
      driver.containerPath("kubepods-pod1.slice", "abc"),
      "/kubepods.slice/kubepods-pod1.slice/crio-abc.scope",
    );
  });

  it("leave monitors where crid is", () => {
    assert.equal(driver.monitorPath("/kubepods/pod1", "abc", "pod"), undefined);
  });
});
