import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { systemdProperties } from "../../../src/pod/systemd_properties.ts";

describe("properties of a container's scope", () => {
  it("order it after the service and give it its pod's time to stop", () => {
    const annotations = { "io.kubernetes.pod.terminationGracePeriod": "030", other: "x" };
    assert.deepEqual(systemdProperties(annotations), {
      "org.systemd.property.DefaultDependencies": "true",
      "org.systemd.property.After": "['crio.service']",
      "org.systemd.property.TimeoutStopUSec": "uint64 30000000",
    });
  });

  it("leave systemd's own time where the pod names none", () => {
    for (const seconds of ["", "-1", "soon", "99999999999999"]) {
      const properties = systemdProperties({ "io.kubernetes.pod.terminationGracePeriod": seconds });
      assert.equal(properties["org.systemd.property.TimeoutStopUSec"], undefined);
    }
  });
});
