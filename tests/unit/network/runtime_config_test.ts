import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { NetworkPod } from "../../../src/network/mod.ts";
import { parseQuantity } from "../../../src/config/mod.ts";
import { capabilityArguments, kubernetesArguments } from "../../../src/network/runtime_config.ts";

const pod: NetworkPod = {
  id: "abc",
  name: "web",
  namespace: "default",
  uid: "u-1",
  netns: "/run/netns/x",
  portMappings: [],
  annotations: {},
  cgroupParent: "",
};

describe("what a pod gives to plugins", () => {
  it("is nothing for a pod that asks for nothing", () => {
    assert.deepEqual(capabilityArguments(pod), {});
  });

  it("has the host ports in the portmap plugin's words, without those for the pod alone", () => {
    const portMappings = [
      { protocol: "tcp", containerPort: 80, hostPort: 8080, hostIp: "" },
      { protocol: "udp", containerPort: 53, hostPort: 0, hostIp: "" },
    ] as const;
    assert.deepEqual(capabilityArguments({ ...pod, portMappings }), {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "" }],
    });
  });

  it("has the bandwidth of the annotations in bits, with a burst that does not limit", () => {
    const annotations = {
      "kubernetes.io/ingress-bandwidth": "10M",
      "kubernetes.io/egress-bandwidth": "1.5Mi",
    };
    assert.deepEqual(capabilityArguments({ ...pod, annotations }), {
      bandwidth: {
        ingressRate: 10_000_000,
        ingressBurst: 34_359_738_359,
        egressRate: 1_572_864,
        egressBurst: 34_359_738_359,
      },
      "io.kubernetes.cri.pod-annotations": annotations,
    });
  });

  it("refuses a bandwidth that is none, or out of Kubernetes' range, and names the annotation", () => {
    for (const value of ["fast", "1", "2P", "-1M", ""]) {
      assert.throws(
        () =>
          capabilityArguments({
            ...pod,
            annotations: { "kubernetes.io/ingress-bandwidth": value },
          }),
        { code: "invalid_argument", message: /annotation kubernetes\.io\/ingress-bandwidth: / },
        value,
      );
    }
  });

  it("has addresses, hardware address and cgroup when the pod has them", () => {
    const asked = { ...pod, ips: ["10.0.0.9/24"], mac: "02:00:00:00:00:01", cgroupParent: "/k" };
    assert.deepEqual(capabilityArguments(asked), {
      ips: ["10.0.0.9/24"],
      mac: "02:00:00:00:00:01",
      cgroupPath: "/k",
    });
  });

  it("tells the pod's names in CRI-O's order, and refuses one that would add an argument", () => {
    assert.equal(
      kubernetesArguments(pod).map((pair) => pair.join("=")).join(";"),
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;" +
        "K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u-1",
    );
    assert.throws(() => kubernetesArguments({ ...pod, name: "a;K8S_POD_UID=b" }), {
      code: "invalid_argument",
    });
  });
});

describe("parseQuantity", () => {
  it("reads what Kubernetes writes", () => {
    const expected = {
      "10": 10,
      "1k": 1_000,
      "1Ki": 1_024,
      "1.5G": 1_500_000_000,
      "2e3": 2_000,
      "1E": 1e18,
      ".5Mi": 524_288,
      "100m": 1,
    };
    for (const [text, value] of Object.entries(expected)) {
      assert.equal(parseQuantity(text), value, text);
    }
  });

  it("refuses anything else", () => {
    for (const text of ["", "k", "1kk", "1 k", "0x10", "Infinity", "1KI", "."]) {
      assert.throws(() => parseQuantity(text), { code: "invalid_argument" }, text);
    }
  });
});
