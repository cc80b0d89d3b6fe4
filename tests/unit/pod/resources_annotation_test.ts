import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import {
  annotateResources,
  readAnnotatedResources,
} from "../../../src/pod/resources_annotation.ts";

const RESOURCES = {
  cpuPeriod: 0,
  cpuQuota: -1,
  cpuShares: 5,
  memoryLimit: 7,
  memorySwapLimit: 0,
  oomScoreAdj: 0,
  cpusetCpus: "0-1",
  cpusetMems: "",
  hugepageLimits: [{ pageSize: "2MB", limit: 4 }],
  unified: { "memory.high": "1" },
};

describe("a pod's resources in annotations", () => {
  it("have CRI's form and both names", () => {
    const annotations: Record<string, string> = {};
    annotateResources(annotations, { resources: RESOURCES, overhead: undefined });
    assert.deepEqual(Object.keys(annotations), [
      "pod-linux-resources.crio.io",
      "io.kubernetes.cri-o.PodLinuxResources",
    ]);
    assert.deepEqual(JSON.parse(annotations["pod-linux-resources.crio.io"]!), {
      cpu_quota: -1,
      cpu_shares: 5,
      memory_limit_in_bytes: 7,
      cpuset_cpus: "0-1",
      hugepage_limits: [{ page_size: "2MB", limit: 4 }],
      unified: { "memory.high": "1" },
    });
  });

  it("are read back, and nonsense is nothing", () => {
    const annotations: Record<string, string> = {};
    annotateResources(annotations, { resources: RESOURCES, overhead: RESOURCES });
    assert.deepEqual(readAnnotatedResources(annotations), {
      resources: RESOURCES,
      overhead: RESOURCES,
    });
    assert.deepEqual(readAnnotatedResources({ "pod-linux-overhead.crio.io": "{" }), {
      resources: undefined,
      overhead: undefined,
    });
  });

  it("have no member of a wrong type, whatever a pod writes", () => {
    const wrong = {
      cpu_period: "1",
      cpuset_cpus: 3,
      memory_limit_in_bytes: 7,
      hugepage_limits: [null, 5, { page_size: 2, limit: "x" }],
      unified: { "memory.high": 1, "memory.low": "2" },
    };
    const read = (value: unknown) =>
      readAnnotatedResources({ "pod-linux-resources.crio.io": JSON.stringify(value) }).resources;
    assert.deepEqual(read(wrong), {
      ...RESOURCES,
      cpuQuota: 0,
      cpuShares: 0,
      cpusetCpus: "",
      hugepageLimits: [{ pageSize: "", limit: 0 }],
      unified: { "memory.low": "2" },
    });
    assert.deepEqual(read({ hugepage_limits: 5, unified: 5 })?.hugepageLimits, []);
    assert.equal(read([1]), undefined);
  });
});
