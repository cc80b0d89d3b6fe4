import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { detectLayout } from "../../../src/cgroup/mod.ts";

const HYBRID_MEMBERSHIP = `9:name=systemd:/
8:pids:/
4:memory:/some/where
2:cpu,cpuacct:/
0::/
`;
const HYBRID_MOUNTS = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;

describe("detectLayout", () => {
  it("takes a host with v1 hierarchies beside a v2 tree as version 1", () => {
    const layout = detectLayout(HYBRID_MOUNTS, HYBRID_MEMBERSHIP);
    assert.equal(layout.version, 1);
    assert.deepEqual(
      layout.hierarchies.map(({ root, controllers }) => [root, [...controllers].toSorted()]),
      [
        ["/sys/fs/cgroup/cpu,cpuacct", ["cpu", "cpuacct"]],
        ["/sys/fs/cgroup/memory", ["memory"]],
        ["/sys/fs/cgroup/pids", ["pids"]],
        ["/sys/fs/cgroup/systemd", ["name=systemd"]],
      ],
    );
  });

  it("prefers the usual place to a bind mount of the same hierarchy, whatever their order", () => {
    const bind = "99 31 0:32 / /mnt/x/memory rw - cgroup cgroup rw,memory\n";
    for (const mounts of [bind + HYBRID_MOUNTS, HYBRID_MOUNTS + bind]) {
      const { hierarchies } = detectLayout(mounts, HYBRID_MEMBERSHIP);
      const memory = hierarchies.filter(({ controllers }) => controllers.has("memory"));
      assert.deepEqual(memory.map(({ root }) => root), ["/sys/fs/cgroup/memory"]);
    }
  });

  it("takes a host with the unified hierarchy alone as version 2 and reads what it offers", () => {
    using root = temporaryDirectory();
    Deno.writeTextFileSync(`${root.path}/cgroup.controllers`, "cpuset cpu io memory pids\n");
    const mounts = `30 23 0:26 / ${root.path} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n`;
    const layout = detectLayout(mounts, "0::/init.scope\n");
    assert.equal(layout.version, 2);
    assert.equal(layout.hierarchies[0]?.root, root.path);
    assert.deepEqual([...layout.hierarchies[0]!.controllers], [
      "cpuset",
      "cpu",
      "io",
      "memory",
      "pids",
    ]);
  });

  it("keeps version 2 when systemd has a v1 tree without controllers beside it", () => {
    const mounts = `30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 23 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
`;
    assert.equal(detectLayout(mounts, "1:name=systemd:/\n0::/\n").version, 2);
  });

  it("undoes the octal escapes of mount points", () => {
    const mounts = "35 31 0:32 / /a\\040b/memory rw - cgroup cgroup rw,memory\n";
    assert.equal(detectLayout(mounts, "4:memory:/\n").hierarchies[0]?.root, "/a b/memory");
  });

  it("refuses a host without cgroups and says what to mount", () => {
    assert.throws(() => detectLayout("22 1 8:1 / / rw - ext4 /dev/sda rw\n", "0::/\n"), {
      code: "failed_precondition",
      message: /no hierarchy is mounted; mount cgroup2 on \/sys\/fs\/cgroup/,
    });
  });
});

function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "crid-cgroup-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
