import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { type CgroupDriver, createCgroupDriver } from "../../../src/cgroup/mod.ts";
import {
  createStats,
  type MetricGroup,
  type MetricsSource,
  type Stats,
} from "../../../src/stats/mod.ts";

/** What critest demands of a runtime: facts from its metrics specs. */
const REQUIRED = `cpu_cfs_periods_total cpu_cfs_throttled_periods_total
cpu_cfs_throttled_seconds_total cpu_system_seconds_total cpu_usage_seconds_total
cpu_user_seconds_total file_descriptors fs_inodes_free fs_inodes_total fs_limit_bytes
fs_usage_bytes last_seen memory_cache memory_failcnt memory_failures_total memory_kernel_usage
memory_mapped_file memory_max_usage_bytes memory_rss memory_swap memory_usage_bytes
memory_working_set_bytes network_receive_bytes_total network_receive_errors_total
network_receive_packets_dropped_total network_receive_packets_total network_transmit_bytes_total
network_transmit_errors_total network_transmit_packets_dropped_total
network_transmit_packets_total oom_events_total processes sockets spec_cpu_period spec_cpu_shares
spec_memory_limit_bytes spec_memory_swap_limit_bytes start_time_seconds threads threads_max`
  .split(/\s+/).map((name) => `container_${name}`);

/** Announced where the kernel has them, but a container may have no value for them. */
const MAY_BE_EMPTY =
  /^container_(hugetlb_|pressure_|blkio_device_usage_total|fs_(reads|writes)_|ulimits_soft)/;

describe("statistics of a running container", () => {
  const pod = `/crid-test-stats-${process.pid}`;
  const id = "c1";
  let cgroups: CgroupDriver;
  let stats: Stats;
  let busy: ChildProcess;
  let upperDir: string;
  let cgroupPath: string;

  before(async () => {
    cgroups = await createCgroupDriver({ manager: "cgroupfs" });
    stats = createStats(cgroups);
    cgroupPath = cgroups.containerPath(pod, id);
    upperDir = Deno.makeTempDirSync({ prefix: "crid-upper-" });
    Deno.writeFileSync(`${upperDir}/file`, new Uint8Array(50_000));
    // Sends a datagram over the loopback, touches memory, and goes on using the CPU.
    const script = "ip link set lo up; echo ready; read go; echo x > /dev/udp/127.0.0.1/9; " +
      "printf -v memory %1000000s x; echo busy; while :; do :; done";
    busy = spawn("unshare", ["--net", "bash", "-c", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const output = busy.stdout![Symbol.asyncIterator]();
    await output.next();
    await cgroups.createSandbox(pod, id);
    await cgroups.place(cgroupPath, busy.pid!);
    busy.stdin!.write("\n");
    await output.next();
  });
  after(async () => {
    await cgroups.kill(pod);
    await cgroups.remove(pod);
    Deno.removeSync(upperDir, { recursive: true });
  });

  const source = (groups: readonly MetricGroup[]): MetricsSource => ({
    id: "p1",
    cgroupPath: pod,
    pid: busy.pid,
    name: "web",
    namespace: "default",
    groups,
    containers: [{
      id,
      cgroupPath,
      upperDir,
      name: "main",
      image: "example.org/image:1",
      pid: busy.pid!,
      startedAt: 1_800_000_000_500_000_000n,
    }],
  });

  it("tell its CPU, its rate, its memory and its writable layer", async () => {
    const first = await stats.container({ id, cgroupPath, upperDir });
    await pause(700);
    const second = await stats.container({ id, cgroupPath, upperDir });
    assert.ok(first?.cpu && second?.cpu && second.memory);
    assert.equal(first.cpu.usageNanoCores, 0);
    assert.ok(second.cpu.timestamp > first.cpu.timestamp);
    const { usageNanoCores } = second.cpu;
    assert.ok(usageNanoCores > 1e6 && usageNanoCores < 1.2e9, `${usageNanoCores}`);
    assert.ok(second.memory.workingSet > 0);
    assert.ok(second.memory.workingSet <= second.memory.usage);
    assert.equal(second.memory.available, 0, "there is no limit");
    assert.equal(second.pids, 1);
    assert.ok(second.writableLayer!.usedBytes >= 50_000);
    assert.equal(second.writableLayer!.inodesUsed, 2);
  });

  it("tell the pod's processes and interfaces, from any process in it", async () => {
    const usage = await stats.pod({ id: "p1", cgroupPath: pod, pid: busy.pid });
    assert.equal(usage.processCount, 1);
    assert.ok(usage.cpu!.usageNanoseconds > 0n);
    assert.deepEqual(usage.interfaces.map(({ name }) => name), ["lo"]);
    assert.ok(usage.interfaces[0]!.rxBytes > 0);
    const orphan = await stats.pod({ id: "p1", cgroupPath: pod, pid: undefined });
    assert.deepEqual(orphan.interfaces, []);
  });

  it("are missing for a container that is gone", async () => {
    assert.equal(
      await stats.container({ id: "x", cgroupPath: `${pod}/x`, upperDir: undefined }),
      undefined,
    );
    const usage = await stats.pod({ id: "x", cgroupPath: `${pod}/x`, pid: 2 ** 22 - 1 });
    assert.equal(usage.cpu, undefined);
    assert.equal(usage.processCount, 0);
    const gone = source(["all"]);
    const metrics = await stats.metrics({
      ...gone,
      containers: [{ ...gone.containers[0]!, cgroupPath: `${pod}/x` }],
    });
    assert.deepEqual(metrics.containers, [{ id, metrics: [] }]);
  });

  it("make every metric that critest asks for, each with a label value for each key", async () => {
    const descriptors = stats.descriptors(["all"]);
    const { id: podId, metrics, containers } = await stats.metrics(source(["all"]));
    assert.equal(podId, "p1");
    const all = [...metrics, ...containers.flatMap((container) => container.metrics)];
    const names = new Set(all.map(({ name }) => name));
    for (const name of REQUIRED) assert.ok(names.has(name), `${name} has no value`);
    for (const { name, help, labelKeys } of descriptors) {
      assert.ok(help !== "" && labelKeys.length >= 5, name);
      const found = all.filter((metric) => metric.name === name);
      assert.ok(found.length > 0 || MAY_BE_EMPTY.test(name), `${name} is announced, not filled`);
      for (const metric of found) assert.equal(metric.labelValues.length, labelKeys.length, name);
    }
    const announced = new Set(descriptors.map(({ name }) => name));
    for (const name of names) assert.ok(announced.has(name), `${name} is filled, not announced`);
  });

  it("make metrics whose values are the container's", async () => {
    const { metrics, containers } = await stats.metrics(source(["all"]));
    const value = (name: string, ...labels: string[]) => {
      const found = [...metrics, ...containers[0]!.metrics].find((metric) =>
        metric.name === name && labels.every((label) => metric.labelValues.includes(label))
      );
      assert.ok(found, `${name} ${labels}`);
      return Number(found.value);
    };
    assert.equal(value("container_processes"), 1);
    assert.equal(value("container_threads"), 1);
    assert.equal(value("container_start_time_seconds"), 1_800_000_000);
    assert.equal(value("container_file_descriptors"), fdCount(busy.pid!));
    assert.equal(value("container_sockets"), 0);
    assert.equal(value("container_spec_cpu_period"), 100_000);
    assert.equal(value("container_oom_events_total"), 0);
    assert.ok(value("container_fs_usage_bytes") >= 50_000);
    const df = execFileSync("df", ["--output=itotal,source", upperDir], { encoding: "utf8" });
    const [inodes, device] = df.split("\n")[1]!.trim().split(/\s+/);
    assert.equal(value("container_fs_inodes_total", device!), Number(inodes));
    assert.ok(value("container_memory_failures_total", "pgfault", "hierarchy") > 0);
    assert.ok(value("container_network_receive_bytes_total", "lo") > 0);
    assert.ok(Math.abs(value("container_last_seen") - Date.now() / 1000) < 5);
    const labels = containers[0]!.metrics[0]!.labelValues;
    assert.deepEqual(labels, [id, "example.org/image:1", "default", "web", "main"]);
  });

  it("make only the metrics of the configured groups, and the last time seen", async () => {
    const { metrics, containers } = await stats.metrics(source(["oom"]));
    assert.deepEqual(metrics, []);
    assert.deepEqual(containers[0]!.metrics.map(({ name }) => name).toSorted(), [
      "container_last_seen",
      "container_oom_events_total",
    ]);
    assert.deepEqual(
      stats.descriptors([]).map(({ name }) => name),
      ["container_last_seen"],
    );
    const network = await stats.metrics(source(["network"]));
    assert.equal(network.metrics.length, 8);
  });
});

function fdCount(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}
