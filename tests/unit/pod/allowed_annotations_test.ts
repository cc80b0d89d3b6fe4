import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { allowedAnnotations, allowedFor } from "../../../src/pod/allowed_annotations.ts";

describe("the gate for annotations", () => {
  const PLAIN = { "example.com/owner": "me", "kubernetes.io/ingress-bandwidth": "1M" };

  it("lets everything through that changes nothing", () => {
    assert.deepEqual(allowedAnnotations(PLAIN, []), PLAIN);
  });

  it("drops what is not allowed, with all that begins so", () => {
    const asked = {
      ...PLAIN,
      "umask.crio.io": "077",
      "unified-cgroup.crio.io/main": "memory.high=1",
      "run.oci.keep_original_groups": "1",
      "bundled.example.com": "as CRI-O does",
      "org.systemd.property.CPUWeight": "7",
    };
    assert.deepEqual(allowedAnnotations(asked, []), PLAIN);
    assert.deepEqual(allowedAnnotations(asked, ["unified-cgroup.crio.io", "umask.crio.io"]), {
      ...PLAIN,
      "umask.crio.io": "077",
      "unified-cgroup.crio.io/main": "memory.high=1",
    });
  });

  it("takes the two names of one annotation for two", () => {
    const asked = { "devices.crio.io": "/dev/a", "io.kubernetes.cri-o.Devices": "/dev/b" };
    assert.deepEqual(allowedAnnotations(asked, ["devices.crio.io"]), {
      "devices.crio.io": "/dev/a",
    });
  });

  it("is opened by the handler and by the workload", () => {
    const workload = {
      activationAnnotation: "a",
      annotationPrefix: "b",
      allowedAnnotations: ["umask.crio.io"],
      resources: { cpuShares: 0, cpuQuota: 0, cpuPeriod: 0, cpuset: "", cpuLimit: 0 },
    };
    const handler = { allowedAnnotations: ["devices.crio.io"] };
    assert.deepEqual(allowedFor(handler, workload), ["devices.crio.io", "umask.crio.io"]);
    assert.deepEqual(allowedFor(handler, undefined), ["devices.crio.io"]);
  });
});
