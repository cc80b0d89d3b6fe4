import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import type { OciSpec } from "../../../src/oci/mod.ts";
import { changeSpecResources, specResources } from "../../../src/pod/spec_resources.ts";

const spec = (resources: OciSpec["linux"]["resources"]) =>
  ({ process: {}, linux: { namespaces: [], resources } }) as unknown as OciSpec;

describe("the resources of a container", () => {
  it("are what its spec says", () => {
    assert.equal(specResources(spec({ devices: [], pids: { limit: 5 } })), undefined);
    const resources = specResources(spec({ cpu: { shares: 5 }, memory: { limit: 7, swap: 7 } }));
    assert.equal(resources?.cpuShares, 5);
    assert.equal(resources?.memoryLimit, 7);
    assert.equal(resources?.memorySwapLimit, 7);
    assert.equal(resources?.cpuQuota, 0);
  });

  it("keep what an update leaves out", () => {
    const one = spec({ cpu: { shares: 5, quota: 6 }, memory: { limit: 7 }, pids: { limit: 5 } });
    changeSpecResources(one, { cpu: { quota: 60 }, memory: { limit: 70, swap: 70 } });
    assert.deepEqual(one.linux.resources, {
      cpu: { shares: 5, quota: 60 },
      memory: { limit: 70, swap: 70 },
      pids: { limit: 5 },
    });
  });
});
