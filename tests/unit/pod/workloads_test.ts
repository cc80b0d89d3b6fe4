import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { type Workload, workloadOf, workloadResources } from "../../../src/pod/workloads.ts";

const WORKLOAD: Workload = {
  activationAnnotation: "target.example.com/management",
  annotationPrefix: "resources.example.com",
  allowedAnnotations: [],
  resources: { cpuShares: 5, cpuQuota: 0, cpuPeriod: 0, cpuset: "0", cpuLimit: 9 },
};
const ASKED = {
  cpuPeriod: 100_000,
  cpuQuota: 50_000,
  cpuShares: 512,
  memoryLimit: 1,
  memorySwapLimit: 0,
  oomScoreAdj: 7,
  cpusetCpus: "1",
  cpusetMems: "",
  hugepageLimits: [],
  unified: {},
};

describe("a workload", () => {
  it("is the first whose activation annotation a pod has, whatever its value", () => {
    const other = { ...WORKLOAD, activationAnnotation: "other" };
    const annotations = { [WORKLOAD.activationAnnotation]: "" };
    assert.equal(workloadOf(annotations, [other, WORKLOAD]), WORKLOAD);
    assert.equal(workloadOf({}, [WORKLOAD]), undefined);
  });

  it("puts its settings over what a container asks for", () => {
    const resources = (annotations: Record<string, string>, asked: typeof ASKED | undefined) =>
      workloadResources(WORKLOAD, annotations, "main", asked);
    assert.deepEqual(resources({}, ASKED), { ...ASKED, cpuShares: 5, cpusetCpus: "0" });
    assert.equal(resources({}, undefined)?.cpuShares, 5);
    assert.equal(workloadResources(undefined, {}, "main", ASKED), ASKED);
  });

  it("is overridden for one container by an annotation", () => {
    const key = "resources.example.com/main";
    const of = (value: unknown, container = "main") =>
      workloadResources(WORKLOAD, { [key]: JSON.stringify(value) }, container, ASKED);
    assert.deepEqual(of({ cpushares: 20, cpuset: "0-1", cpulimit: 1500 }), {
      ...ASKED,
      cpuShares: 20,
      cpusetCpus: "0-1",
      cpuPeriod: 100_000,
      cpuQuota: 150_000,
    });
    assert.equal(of({ cpulimit: 1 })?.cpuQuota, 1000);
    assert.equal(of({ cpushares: 20 }, "other")?.cpuShares, 5);
    assert.equal(of({})?.cpuQuota, 1000, "the default limit counts where an annotation is");
  });

  it("refuses an annotation that makes no sense", () => {
    const of = (text: string) => () =>
      workloadResources(WORKLOAD, { "resources.example.com/main": text }, "main", ASKED);
    assert.throws(of("{"), /resources.example.com\/main: it is not JSON/);
    assert.throws(of("null"), /it is not a JSON object/);
    assert.throws(of('{"cpushares":"many"}'), /cpushares is not a number/);
    assert.throws(of('{"cpuset":"all"}'), /cpuset is not a list of CPUs/);
  });
});
