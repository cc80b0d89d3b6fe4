import process from "node:process";
import { createCgroupDriver } from "../../../src/cgroup/mod.ts";
import { createNetwork } from "../../../src/network/mod.ts";
import { createStats } from "../../../src/stats/mod.ts";

/** Does what the cri isolate does with these rooms, and posts what it saw. */
async function work(root: string): Promise<unknown> {
  const cgroups = await createCgroupDriver({ manager: "cgroupfs" });
  const parent = `/crid-test-walls-${process.pid}`;
  await cgroups.createSandbox(parent, "p");
  const cgroupPath = cgroups.containerPath(parent, "p");
  const stats = createStats(cgroups);
  const container = await stats.container({ id: "p", cgroupPath, upperDir: root });
  const { metrics } = await stats.metrics({
    id: "p",
    cgroupPath,
    pid: process.pid,
    name: "n",
    namespace: "ns",
    containers: [],
    groups: ["all"],
  });
  await cgroups.kill(parent);
  await cgroups.remove(parent);
  using network = await createNetwork({
    confDir: `${root}/net.d`,
    pluginDirs: [`${root}/bin`],
    defaultNetwork: "",
    cacheDir: `${root}/cache`,
  });
  const { ips } = await network.setUp({
    id: "p",
    name: "n",
    namespace: "ns",
    uid: "u",
    netns: "/proc/self/ns/net",
    portMappings: [],
    annotations: {},
    cgroupParent: "",
  });
  return {
    memory: container?.memory !== undefined,
    usedBytes: container?.writableLayer?.usedBytes,
    networkMetrics: metrics.length,
    ips,
  };
}

self.addEventListener("message", (event: MessageEvent<string>) => {
  work(event.data).then(
    (saw) => self.postMessage(saw),
    (error) => self.postMessage({ error: String(error) }),
  );
});
