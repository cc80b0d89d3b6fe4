import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { SpecDraft } from "../../../src/oci/spec/draft.ts";
import { sharedCpusStage, withSharedCpus } from "../../../src/oci/spec/shared_cpus.ts";

const ANNOTATIONS = {
  "io.kubernetes.container.name": "main",
  "cpu-shared.crio.io/main": "enable",
};

/** What the stage makes of a container with whole CPUs, but for what is given. */
function built(input: object, sharedCpuset = "0-1") {
  const spec = { process: { env: ["A=1"] }, linux: { resources: { cpu: { shares: 2048 } } } };
  const draft = {
    input: {
      annotations: ANNOTATIONS,
      cgroupsPath: "/kubepods/pod1/crio-1",
      resources: { cpuShares: 2048, cpusetCpus: "4-5" },
      ...input,
    },
    defaults: { sharedCpuset },
    spec,
  };
  sharedCpusStage(draft as unknown as SpecDraft);
  return spec;
}

describe("shared CPUs", () => {
  it("are added to a container's own, which its environment tells apart", () => {
    const { process, linux } = built({});
    assert.deepEqual(process.env, [
      "A=1",
      "OPENSHIFT_ISOLATED_CPUS=4-5",
      "OPENSHIFT_SHARED_CPUS=0-1",
    ]);
    assert.deepEqual(linux.resources.cpu, { shares: 2048, cpus: "4-5,0-1" });
  });

  it("are for those who ask, and have whole CPUs", () => {
    const none = [
      { annotations: { ...ANNOTATIONS, "cpu-shared.crio.io/main": "disable" } },
      { annotations: { ...ANNOTATIONS, "io.kubernetes.container.name": "other" } },
      { cgroupsPath: "kubepods-burstable-pod1.slice:crio:1" },
      { resources: { cpuShares: 1536, cpusetCpus: "4-5" } },
      { resources: undefined },
      { role: "infra" },
    ];
    for (const input of none) assert.deepEqual(built(input).process.env, ["A=1"]);
  });

  it("are refused where there are none, or no others", () => {
    assert.throws(() => built({}, ""), /shared CPUs were requested for container "main" but none/);
    const resources = { cpuShares: 1024, cpusetCpus: "" };
    assert.throws(() => built({ resources }), /no cpus found for container "main"/);
  });

  it("stay when the container's own become others", () => {
    const { process } = built({});
    const spec = { process } as unknown as Parameters<typeof withSharedCpus>[0];
    assert.equal(withSharedCpus(spec, "6-7"), "6-7,0-1");
    assert.equal(withSharedCpus(spec, ""), "");
  });
});
