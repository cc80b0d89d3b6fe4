import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type CgroupDriver, createCgroupDriver } from "../../../src/cgroup/mod.ts";

/** Writes the files of a made-up cgroup tree. */
function writeTree(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${root}/${path}`, text);
  }
}

describe("figures of a v2 cgroup", () => {
  let root: string;
  let driver: CgroupDriver;

  before(async () => {
    root = Deno.makeTempDirSync({ prefix: "crid-cgroup-v2-" });
    driver = await createCgroupDriver({
      manager: "cgroupfs",
      layout: { version: 2, hierarchies: [{ root, controllers: new Set(["cpu", "memory"]) }] },
    });
    writeTree(root, {
      "pod/c/cpu.stat":
        "usage_usec 5000001\nuser_usec 3000000\nsystem_usec 2000001\nnr_periods 10\nnr_throttled 4\nthrottled_usec 77\n",
      "pod/c/memory.stat":
        "anon 4096\nfile 8192\nkernel 300\nfile_mapped 12288\ninactive_file 1000\npgfault 12\npgmajfault 3\n",
      "pod/c/memory.current": "10000\n",
      "pod/c/memory.peak": "20000\n",
      "pod/c/memory.max": "67108864\n",
      "pod/c/memory.low": "1024\n",
      "pod/c/memory.swap.current": "55\n",
      "pod/c/memory.swap.max": "4096\n",
      "pod/c/memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n",
      "pod/c/pids.current": "3\n",
      "pod/c/pids.max": "max\n",
      "pod/c/cpu.max": "20000 100000\n",
      "pod/c/cpu.weight": "39\n",
      "pod/c/io.stat":
        "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:1 \n8:16 rbytes=7 wbytes=8 rios=9 wios=10 dbytes=0 dios=0\n",
      "pod/c/hugetlb.2MB.current": "2097152\n",
      "pod/c/cpu.pressure":
        "some avg10=1.50 avg60=0.25 avg300=0.00 total=123456789012345678\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
      "pod/c/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
      // What crun leaves: limits in a child alone.
      "pod/crun/cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 0\n",
      "pod/crun/cpu.max": "max 100000\n",
      "pod/crun/memory.max": "max\n",
      "pod/crun/memory.swap.max": "max\n",
      "pod/crun/memory.current": "10\n",
      "pod/crun/pids.max": "max\n",
      "pod/crun/container/cgroup.procs": "",
      "pod/crun/container/cpu.stat": "usage_usec 1\nnr_periods 8\nnr_throttled 2\n",
      "pod/crun/container/cpu.max": "5000 10000\n",
      "pod/crun/container/memory.max": "1048576\n",
      "pod/crun/container/memory.swap.max": "0\n",
      "pod/crun/container/pids.max": "64\n",
    });
  });
  after(() => Deno.removeSync(root, { recursive: true }));

  it("are read from its files", async () => {
    const stats = await driver.stats("/pod/c");
    assert.ok(stats);
    const { timestamp, ...cpu } = stats.cpu;
    assert.ok(timestamp > 1_700_000_000_000_000_000n);
    assert.deepEqual(cpu, {
      usageNanoseconds: 5_000_001_000n,
      userNanoseconds: 3_000_000_000n,
      systemNanoseconds: 2_000_001_000n,
      periods: 10,
      throttledPeriods: 4,
      throttledNanoseconds: 77_000n,
    });
    const { timestamp: _, ...memory } = stats.memory;
    assert.deepEqual(memory, {
      usage: 10_000,
      limit: 67_108_864,
      workingSet: 9_000,
      rss: 4_096,
      cache: 8_192,
      swapUsage: 55,
      swapLimit: 4_096,
      pageFaults: 12,
      majorPageFaults: 3,
    });
    assert.equal(stats.pids, 3);
    assert.equal(stats.pidsLimit, 0);
  });

  it("include what only metrics ask for", async () => {
    assert.deepEqual(await driver.details("/pod/c"), {
      cpuShares: 998,
      cpuQuota: 20_000,
      cpuPeriod: 100_000,
      kernelMemory: 300,
      mappedFile: 12_288,
      maxMemoryUsage: 20_000,
      memoryFailCount: 9,
      memoryReservation: 1_024,
      memorySwapLimit: 67_112_960,
      ownPageFaults: 12,
      ownMajorPageFaults: 3,
      hugetlb: [{ pageSize: "2MB", usage: 2_097_152, maxUsage: 2_097_152 }],
      io: [
        { major: 8, minor: 0, readBytes: 1, writeBytes: 2, reads: 3, writes: 4 },
        { major: 7, minor: 1, readBytes: 0, writeBytes: 0, reads: 0, writes: 0 },
        { major: 8, minor: 16, readBytes: 7, writeBytes: 8, reads: 9, writes: 10 },
      ],
    });
  });

  it("take limits and throttling from crun's inner cgroup when only that has them", async () => {
    const stats = await driver.stats("/pod/crun");
    assert.equal(stats?.memory.limit, 1_048_576);
    assert.equal(stats?.memory.usage, 10);
    assert.equal(stats?.pidsLimit, 64);
    assert.equal(stats?.cpu.periods, 8);
    const details = await driver.details("/pod/crun");
    assert.equal(details?.cpuQuota, 5_000);
    assert.equal(details?.cpuPeriod, 10_000);
    assert.equal(details?.memorySwapLimit, 1_048_576);
  });

  it("tell the pressure, exactly also beyond 2^53, and nothing for what has none", async () => {
    const pressure = await driver.pressure("/pod/c");
    assert.deepEqual(pressure?.cpu?.some, {
      avg10: 1.5,
      avg60: 0.25,
      avg300: 0,
      total: 123_456_789_012_345_678n,
    });
    assert.equal(pressure?.cpu?.full.total, 5n);
    assert.equal(pressure?.memory?.some.total, 1n);
    assert.equal(pressure?.io, undefined);
  });

  it("count the kills of the OOM killer", async () => {
    assert.equal(await driver.oomKills("/pod/c"), 1);
  });

  it("are undefined for a cgroup that is gone", async () => {
    assert.equal(await driver.stats("/pod/gone"), undefined);
    assert.equal(await driver.details("/pod/gone"), undefined);
    assert.equal(await driver.pressure("/pod/gone"), undefined);
    assert.equal(await driver.oomKills("/pod/gone"), 0);
    assert.deepEqual(await driver.processes("/pod/gone"), []);
  });
});

describe("figures of a v1 cgroup", () => {
  let root: string;
  let driver: CgroupDriver;

  before(async () => {
    root = Deno.makeTempDirSync({ prefix: "crid-cgroup-v1-" });
    const names = ["cpu,cpuacct", "memory", "pids", "blkio", "hugetlb"];
    driver = await createCgroupDriver({
      manager: "cgroupfs",
      layout: {
        version: 1,
        hierarchies: names.map((name) => ({
          root: `${root}/${name}`,
          controllers: new Set(name.split(",")),
        })),
      },
    });
    writeTree(root, {
      "cpu,cpuacct/c/cpuacct.usage": "9007199254740993\n",
      "cpu,cpuacct/c/cpuacct.stat": "user 7\nsystem 5\n",
      "cpu,cpuacct/c/cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 900\n",
      "cpu,cpuacct/c/cpu.shares": "1024\n",
      "cpu,cpuacct/c/cpu.cfs_quota_us": "-1\n",
      "cpu,cpuacct/c/cpu.cfs_period_us": "100000\n",
      "memory/c/memory.stat":
        "cache 1\nrss 2\npgfault 1\ntotal_cache 10\ntotal_rss 20\ntotal_swap 5\ntotal_pgfault 30\ntotal_pgmajfault 4\ntotal_inactive_file 100\ntotal_mapped_file 50\n",
      "memory/c/memory.usage_in_bytes": "1000\n",
      "memory/c/memory.limit_in_bytes": "67108864\n",
      "memory/c/memory.memsw.limit_in_bytes": "134217728\n",
      "memory/c/memory.soft_limit_in_bytes": "9223372036854771712\n",
      "memory/c/memory.max_usage_in_bytes": "2000\n",
      "memory/c/memory.failcnt": "6\n",
      "memory/c/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
      "memory/c/child/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
      "pids/c/pids.current": "2\n",
      "pids/c/pids.max": "100\n",
      "blkio/c/blkio.throttle.io_service_bytes":
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\nTotal 12288\n",
      "blkio/c/blkio.throttle.io_serviced": "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
      "hugetlb/c/hugetlb.2MB.usage_in_bytes": "2097152\n",
      "hugetlb/c/hugetlb.2MB.max_usage_in_bytes": "4194304\n",
    });
  });
  after(() => Deno.removeSync(root, { recursive: true }));

  it("are read from the files of each hierarchy", async () => {
    const stats = await driver.stats("/c");
    assert.ok(stats);
    assert.equal(stats.cpu.usageNanoseconds, 9_007_199_254_740_993n);
    assert.equal(stats.cpu.userNanoseconds, 70_000_000n);
    assert.equal(stats.cpu.systemNanoseconds, 50_000_000n);
    assert.equal(stats.cpu.throttledNanoseconds, 900n);
    const { timestamp: _, ...memory } = stats.memory;
    assert.deepEqual(memory, {
      usage: 1_000,
      limit: 67_108_864,
      workingSet: 900,
      rss: 20,
      cache: 10,
      swapUsage: 5,
      swapLimit: 67_108_864,
      pageFaults: 30,
      majorPageFaults: 4,
    });
    assert.equal(stats.pids, 2);
    assert.equal(stats.pidsLimit, 100);
  });

  it("include what only metrics ask for", async () => {
    assert.deepEqual(await driver.details("/c"), {
      cpuShares: 1_024,
      cpuQuota: 0,
      cpuPeriod: 100_000,
      kernelMemory: 0,
      mappedFile: 50,
      maxMemoryUsage: 2_000,
      memoryFailCount: 6,
      memoryReservation: 0,
      memorySwapLimit: 134_217_728,
      ownPageFaults: 1,
      ownMajorPageFaults: 0,
      hugetlb: [{ pageSize: "2MB", usage: 2_097_152, maxUsage: 4_194_304 }],
      io: [{ major: 8, minor: 0, readBytes: 4_096, writeBytes: 8_192, reads: 1, writes: 2 }],
    });
  });

  it("sum the kills of the OOM killer over the children, which v1 does not do itself", async () => {
    assert.equal(await driver.oomKills("/c"), 3);
  });

  it("have no pressure and are undefined for a cgroup that is gone", async () => {
    assert.equal(await driver.pressure("/c"), undefined);
    assert.equal(await driver.stats("/gone"), undefined);
    assert.equal(await driver.details("/gone"), undefined);
  });

  it("name the controllers that exist", () => {
    assert.deepEqual([...driver.controllers()].toSorted(), [
      "blkio",
      "cpu",
      "cpuacct",
      "hugetlb",
      "memory",
      "pids",
    ]);
  });
});
