import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parseNetworkList } from "../../../src/network/configuration.ts";
import { restoreText, tables } from "../../../src/network/host_ports/iptables.ts";
import { unmappedPorts } from "../../../src/network/host_ports/mappings.ts";
import { longestMatch } from "../../../src/network/host_ports/routes.ts";
import { ruleset } from "../../../src/network/host_ports/nftables.ts";
import type { HostPort } from "../../../src/network/host_ports/types.ts";

const PORT: HostPort = {
  protocol: "tcp",
  family: 4,
  hostIp: undefined,
  hostPort: 8080,
  podIp: "10.88.0.5",
  prefix: 16,
  containerPort: 80,
};

describe("the rules for host ports", () => {
  it("replace each family's table, and leave none where there is nothing to map", () => {
    assert.equal(
      ruleset("t", [], []),
      "table ip t {}\ndelete table ip t\ntable ip6 t {}\ndelete table ip6 t\n",
    );
    const text = ruleset("t", [PORT], []);
    assert.match(text, /^table ip t \{\}\ndelete table ip t\ntable ip t \{$/m);
    assert.ok(text.endsWith("table ip6 t {}\ndelete table ip6 t\n"));
  });

  it("lead a port of every address, or of one, to the pod", () => {
    const text = ruleset("t", [PORT, { ...PORT, hostIp: "192.0.2.1", protocol: "sctp" }], []);
    assert.match(text, /elements = \{ tcp \. 8080 : 10\.88\.0\.5 \. 80 \}/);
    assert.match(text, /elements = \{ 192\.0\.2\.1 \. sctp \. 8080 : 10\.88\.0\.5 \. 80 \}/);
  });

  it("hide those behind the host whom the pod would answer directly", () => {
    const wide = ruleset("t", [PORT], []);
    assert.match(
      wide,
      /ip saddr 127\.0\.0\.0\/8 masquerade\n\s+ip saddr 10\.88\.0\.5\/16 masquerade/,
    );
    const lonely = ruleset("t", [{ ...PORT, prefix: 32 }], []);
    assert.match(lonely, /ip saddr 10\.88\.0\.5 masquerade/);
  });

  it("keep neighbours away from the host's loopback where it is opened for the host", () => {
    assert.match(
      ruleset("t", [PORT], ["cni0", "veth1"]),
      /iifname \{ "cni0", "veth1" \} ip daddr 127\.0\.0\.0\/8 drop/,
    );
    assert.doesNotMatch(ruleset("t", [PORT], []), /drop/);
  });
});

describe("the rules of iptables for host ports", () => {
  const V4 = { family: 4, infix: "", bits: 32 } as const;
  const V6 = { family: 6, infix: "6", bits: 128 } as const;
  const LED = "CRID-PORTS-0123ABCD";
  const EMPTY = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j OTHERS\nCOMMIT\n";
  const nat = (family: typeof V4 | typeof V6, ports: readonly HostPort[]) =>
    tables("0123ABCD", family, ports, [])[0]!;

  it("lead a port to the pod, those of one address first", () => {
    const text = restoreText(nat(V4, [PORT, { ...PORT, hostIp: "192.0.2.1" }]), EMPTY);
    assert.match(
      text ?? "",
      new RegExp(
        `^-A ${LED} -d 192.0.2.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.88.0.5:80\n` +
          `-A ${LED} -p tcp -m tcp --dport 8080 -j DNAT`,
        "m",
      ),
    );
    assert.match(
      text ?? "",
      new RegExp(`^-I PREROUTING -m addrtype --dst-type LOCAL -j ${LED}$`, "m"),
    );
  });

  it("take the place of those that are there, and leave the rules of others alone", () => {
    const jump = `PREROUTING -m addrtype --dst-type LOCAL -j ${LED}`;
    const saved = EMPTY.replace("-A PREROUTING", `:${LED} - [0:0]\n-A ${jump}\n-A PREROUTING`);
    const text = restoreText(nat(V4, [PORT]), saved) ?? "";
    assert.match(text, new RegExp(`^:${LED} - .*\n-D ${jump}\n-I ${jump}\n`, "ms"));
    assert.doesNotMatch(text, /OTHERS/);
  });

  it("leave nothing where there is nothing to map", () => {
    assert.equal(restoreText(nat(V4, []), EMPTY), undefined);
    const saved = `*nat\n:${LED} - [0:0]\n-A OUTPUT -j ${LED}\nCOMMIT\n`;
    assert.equal(
      restoreText(nat(V4, []), saved),
      `*nat\n:${LED} - [0:0]\n-D OUTPUT -j ${LED}\n-X ${LED}\nCOMMIT\n`,
    );
  });

  it("write addresses of IPv6 as iptables reads them, and spare loopback", () => {
    const port: HostPort = { ...PORT, family: 6, podIp: "fd00::5", prefix: 64 };
    const text = restoreText(nat(V6, [port]), EMPTY) ?? "";
    assert.match(text, /--to-destination \[fd00::5\]:80$/m);
    assert.match(text, /^-I OUTPUT ! -d ::1\/128 -m addrtype --dst-type LOCAL/m);
  });

  it("keep neighbours away from the host's loopback where it is opened for the host", () => {
    const [, raw] = tables("0123ABCD", V4, [PORT], ["cni0"]);
    assert.match(
      restoreText(raw!, "*raw\nCOMMIT\n") ?? "",
      /^-A CRID-LO-0123ABCD -i cni0 -d 127.0.0.0\/8 -j DROP$/m,
    );
  });
});

describe("the host ports of an attachment", () => {
  const capabilities = {
    portMappings: [
      { hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "" },
      { hostPort: 53, containerPort: 53, protocol: "udp", hostIP: "192.0.2.1" },
      { hostPort: 54, containerPort: 54, protocol: "udp", hostIP: "::" },
      { hostPort: "80; flush ruleset", containerPort: 80, protocol: "tcp", hostIP: "" },
      { hostPort: 80, containerPort: 80, protocol: "tcp } flush ruleset", hostIP: "" },
      { hostPort: 80, containerPort: 80, protocol: "tcp", hostIP: "no address" },
    ],
  };
  const attachment = { containerId: "id", ifName: "eth0", netns: "", args: [], capabilities };
  const result = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", sandbox: "/run/netns/x" }],
    ips: [
      { address: "fd00::5/64", interface: 0 },
      { address: "10.88.0.5/16", interface: 0 },
      { address: "10.99.0.5/16", interface: 0 },
    ],
  };
  const network = (plugin: object) =>
    parseNetworkList(JSON.stringify({ cniVersion: "1.0.0", name: "n", plugins: [plugin] }));

  it("are on its first address of each family; what makes no sense is left out", () => {
    const { ports } = unmappedPorts({ attachment, result, config: network({ type: "bridge" }) });
    assert.deepEqual(
      ports.map(({ hostIp, hostPort, podIp, prefix }) => [hostIp, hostPort, podIp, prefix]),
      [
        [undefined, 8080, "10.88.0.5", 16],
        [undefined, 8080, "fd00::5", 64],
        ["192.0.2.1", 53, "10.88.0.5", 16],
        [undefined, 54, "fd00::5", 64],
      ],
    );
  });

  it("are none when a plugin of its network maps them", () => {
    const config = network({ type: "portmap", capabilities: { portMappings: true } });
    assert.deepEqual(unmappedPorts({ attachment, result, config }).ports, []);
  });
});

describe("the interface towards a pod", () => {
  const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
cni0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
down\t0500580A\t00000000\t0000\t0\t0\t0\tFFFFFFFF\t0\t0\t0
veth7\t0700580A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
`;

  it("is that of the longest route that is up", () => {
    assert.equal(longestMatch(table, "10.88.0.5"), "cni0");
    assert.equal(longestMatch(table, "10.88.0.7"), "veth7");
    assert.equal(longestMatch(table, "10.89.0.7"), "eth0");
    assert.equal(longestMatch("Iface\n", "10.89.0.7"), undefined);
  });
});
