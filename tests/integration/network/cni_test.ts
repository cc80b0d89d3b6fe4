import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { makeNode } from "./node.ts";

const bridge = {
  type: "bridge",
  bridge: "cni0",
  isGateway: true,
  ipMasq: true,
  ipam: {
    type: "host-local",
    dataDir: "@DATA@",
    ranges: [[{ subnet: "10.231.7.0/24" }], [{ subnet: "fd00:231::/64" }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  },
};
const portmap = { type: "portmap", capabilities: { portMappings: true } };
const list = { cniVersion: "1.0.0", name: "test", plugins: [bridge, portmap] };

describe("pods on the real bridge, host-local and portmap plugins", () => {
  it("get the addresses that the result says, reach each other, and give all back", async () => {
    using node = await makeNode(list);
    const [a, b] = [node.pod("a"), node.pod("b")];
    const [ofA, ofB] = await Promise.all([node.network.setUp(a), node.network.setUp(b)]);
    for (const [pod, { ips }] of [[a, ofA], [b, ofB]] as const) {
      const addresses = node.inPod(pod, "ip", "-o", "addr", "show", "dev", "eth0");
      assert.equal(ips.length, 2);
      assert.match(ips[0]!, /^10\.231\.7\.\d+$/, "the first is the range's that is first");
      assert.match(ips[1]!, /^fd00:231::/);
      for (const ip of ips) assert.ok(addresses.includes(` ${ip}/`), addresses);
    }
    assert.deepEqual(node.reservations(), [ofA.ips[0]!, ofB.ips[0]!].toSorted());
    node.serve(b, ...server(ofB.ips[0]!));
    assert.match(
      await eventually(() => node.inPod(a, ...fetchLine(`http://${ofB.ips[0]}:8000/`))),
      /hello from a pod/,
    );
    await node.network.check(a);

    await Promise.all([a, b].map((pod) => node.network.tearDown(pod)));
    assert.throws(() => node.inPod(a, "ip", "link", "show", "eth0"));
    assert.deepEqual(node.reservations(), []);
    assert.deepEqual(veths(node.onNode("ip", "-o", "link")), []);
    assert.doesNotMatch(node.onNode("iptables-save"), /10\.231\.7\.\d+(?!\/24)|default_/);
    await node.network.tearDown(a);
  });

  it("answer on their host port, and no longer when they are gone", async () => {
    using node = await makeNode(list);
    const pod = node.pod("web", {
      portMappings: [{ protocol: "tcp", containerPort: 8000, hostPort: 18080, hostIp: "" }],
    });
    const { ips } = await node.network.setUp(pod);
    node.serve(pod, ...server(ips[0]!));
    const gateway = "10.231.7.1";
    const ask = () => node.onNode(...fetchLine(`http://${gateway}:18080/`));
    assert.match(await eventually(ask), /hello from a pod/);
    assert.match(node.onNode("iptables-save", "-t", "nat"), /--dport 18080/);
    await node.network.tearDown(pod);
    assert.doesNotMatch(node.onNode("iptables-save", "-t", "nat"), /18080/);
    assert.throws(ask);
  });

  it("free their addresses and host ports when the namespace is gone before", async () => {
    using node = await makeNode(list);
    const pod = node.pod("lost", {
      portMappings: [{ protocol: "tcp", containerPort: 80, hostPort: 18081, hostIp: "" }],
    });
    await node.network.setUp(pod);
    assert.equal(node.reservations().length, 1);
    node.unpin(pod);
    await node.network.tearDown(pod);
    assert.deepEqual(node.reservations(), []);
    assert.doesNotMatch(node.onNode("iptables-save", "-t", "nat"), /18081/);
    assert.equal(await node.network.cached(pod), undefined);
  });

  it("are collected as garbage after a reboot", async () => {
    using node = await makeNode(list);
    const [kept, lost] = [node.pod("kept"), node.pod("lost")];
    const { ips } = await node.network.setUp(kept);
    await node.network.setUp(lost);
    node.unpin(lost);
    await node.network.collectGarbage([kept]);
    assert.deepEqual(node.reservations(), [ips[0]]);
    assert.deepEqual((await node.network.cached(kept))?.ips, ips);
  });

  it("leave nothing when a later plugin fails: the bridge plugin's work is taken back", async () => {
    using node = await makeNode({
      ...list,
      plugins: [bridge, { type: "tuning", sysctl: { "net.ipv4.conf.eth0.no_such_knob": "1" } }],
    });
    const pod = node.pod("unlucky");
    await assert.rejects(node.network.setUp(pod), {
      code: "internal",
      message:
        /^add pod default_unlucky to CNI network "test": plugin type="tuning" name="test" failed \(add\): .*no_such_knob/,
    });
    assert.deepEqual(node.reservations(), []);
    assert.throws(() => node.inPod(pod, "ip", "link", "show", "eth0"));
  });

  it("are refused clearly when the range is used up, and get its last address once it is free", async () => {
    const ipam = {
      type: "host-local",
      dataDir: "@DATA@",
      ranges: [[{ subnet: "10.231.8.0/30" }]],
    };
    using node = await makeNode({ ...list, plugins: [{ ...bridge, ipam }] });
    const [first, second] = [node.pod("a"), node.pod("b")];
    await node.network.setUp(first);
    await assert.rejects(node.network.setUp(second), {
      message:
        /plugin type="bridge" .*no IP addresses available in range set: 10\.231\.8\.1-10\.231\.8\.2/,
    });
    await node.network.tearDown(first);
    assert.deepEqual((await node.network.setUp(second)).ips, ["10.231.8.2"]);
  });

  it("fail a check once their interface is gone", async () => {
    using node = await makeNode(list);
    const pod = node.pod("cut");
    await node.network.setUp(pod);
    node.inPod(pod, "ip", "link", "delete", "eth0");
    await assert.rejects(node.network.check(pod), {
      message: /^check pod default_cut on CNI network "test": plugin type="bridge" .*eth0/,
    });
    await node.network.tearDown(pod);
    assert.deepEqual(node.reservations(), []);
  });

  it("get the bandwidth that their annotations ask for", async () => {
    using node = await makeNode({
      ...list,
      plugins: [bridge, { type: "bandwidth", capabilities: { bandwidth: true } }],
    });
    const annotations = {
      "kubernetes.io/ingress-bandwidth": "8M",
      "kubernetes.io/egress-bandwidth": "16M",
    };
    const pod = node.pod("slow", { annotations });
    await node.network.setUp(pod);
    const queues = node.onNode("tc", "qdisc");
    assert.match(queues, /tbf .* rate 8Mbit/);
    assert.match(queues, /tbf .* rate 16Mbit/);
    await node.network.tearDown(pod);
    assert.doesNotMatch(node.onNode("tc", "qdisc"), /tbf/);
  });

  it("work with configurations of every version that the plugins speak", async () => {
    for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]) {
      using node = await makeNode({ ...list, cniVersion });
      const pod = node.pod("old");
      const { ips, raw } = await node.network.setUp(pod);
      assert.match(ips[0]!, /^10\.231\.7\.\d+$/);
      assert.equal(JSON.parse(raw).cniVersion, cniVersion);
      await node.network.check(pod);
      await node.network.tearDown(pod);
      assert.deepEqual(node.reservations(), []);
    }
  });
});

/** Deno is the one program that is surely there. */
function server(address: string): string[] {
  const script = `Deno.serve({ hostname: "${address}", port: 8000 }, () =>
    new Response("hello from a pod"))`;
  return [Deno.execPath(), "eval", script];
}

function fetchLine(url: string): string[] {
  const script = `console.log(await (await fetch("${url}",
    { signal: AbortSignal.timeout(2_000) })).text())`;
  return [Deno.execPath(), "eval", script];
}

/** A server needs a moment: asks until it answers. */
async function eventually(ask: () => string): Promise<string> {
  for (let tries = 0;; tries++) {
    try {
      return ask();
    } catch (error) {
      if (tries > 50) throw error;
      await pause(100);
    }
  }
}

function veths(links: string): readonly string[] {
  return links.split("\n").filter((line) => line.includes("veth"));
}
