import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { convertResult, parseResult, podAddresses } from "../../../src/network/result.ts";

const modern = {
  cniVersion: "1.0.0",
  interfaces: [
    { name: "cni0", mac: "aa:aa:aa:aa:aa:aa" },
    { name: "veth1" },
    { name: "eth0", sandbox: "/run/netns/x" },
    { name: "net1", sandbox: "/run/netns/x" },
  ],
  ips: [
    { interface: 3, address: "192.168.9.9/24" },
    { interface: 0, address: "10.1.0.1/16" },
    { interface: 2, address: "fd00::5/64", gateway: "fd00::1" },
    { interface: 2, address: "10.1.0.5/16", gateway: "10.1.0.1" },
    { address: "172.16.0.1/32" },
  ],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0", gw: "fd00::1" }],
  dns: { nameservers: ["10.1.0.1"] },
};

describe("the addresses of a pod", () => {
  it("are eth0's first, in the plugins' order, and never those of the host's interfaces", () => {
    assert.deepEqual(podAddresses(modern, "eth0"), [
      "fd00::5",
      "10.1.0.5",
      "172.16.0.1",
      "192.168.9.9",
    ]);
  });

  it("are found in results of the oldest versions", () => {
    const old = {
      cniVersion: "0.2.0",
      ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1" },
      ip6: { ip: "fd00::2/64" },
    };
    assert.deepEqual(podAddresses(old, "eth0"), ["10.0.0.2", "fd00::2"]);
  });

  it("are none for a result without any", () => {
    assert.deepEqual(podAddresses({ cniVersion: "1.0.0" }, "eth0"), []);
  });
});

describe("a CNI result", () => {
  it("becomes one of 0.4.0 with the families named, and one of 1.0.0 again", () => {
    const old = convertResult(modern, "0.4.0");
    assert.equal(old.cniVersion, "0.4.0");
    assert.deepEqual((old.ips as { version: string }[]).map(({ version }) => version), [
      "4",
      "4",
      "6",
      "4",
      "4",
    ]);
    assert.deepEqual(convertResult(old, "1.0.0"), modern);
  });

  it("becomes one of 0.2.0 with one address a family and its routes", () => {
    assert.deepEqual(convertResult(modern, "0.2.0"), {
      cniVersion: "0.2.0",
      ip4: { ip: "192.168.9.9/24", routes: [{ dst: "0.0.0.0/0" }] },
      ip6: { ip: "fd00::5/64", gateway: "fd00::1", routes: [{ dst: "::/0", gw: "fd00::1" }] },
      dns: { nameservers: ["10.1.0.1"] },
    });
  });

  it("of 0.2.0 becomes one of 1.0.0", () => {
    const old = {
      cniVersion: "0.2.0",
      ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0" }] },
    };
    assert.deepEqual(convertResult(old, "1.0.0"), {
      cniVersion: "1.0.0",
      ips: [{ address: "10.0.0.2/24", gateway: "10.0.0.1" }],
      routes: [{ dst: "0.0.0.0/0" }],
    });
  });

  it("without a version is taken as one of the network's", () => {
    assert.equal(parseResult("{}", "0.4.0").cniVersion, "0.4.0");
  });

  const bad: Record<string, [string, RegExp]> = {
    nothing: ["", /printed nothing/],
    "a line of text": ["Segmentation fault\nat 0x0", /no JSON object: Segmentation fault at 0x0/],
    "an unknown version": ['{"cniVersion":"7.0.0"}', /answered in CNI version 7\.0\.0/],
    "an address that is none": [
      '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1; rm"}]}',
      /answered the address "10\.0\.0\.1; rm"/,
    ],
    "a list": ["[1]", /no JSON object/],
    "brackets without end": ["[".repeat(1_000_000), /no JSON object/],
  };
  for (const [what, [text, message]] of Object.entries(bad)) {
    it(`is refused when it is ${what}`, () => {
      assert.throws(() => parseResult(text, "1.0.0"), { code: "internal", message });
    });
  }
});
