import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Protocol } from "../../../src/gen/runtime/v1/api.ts";
import { output } from "../../harness/mod.ts";
import { type HostPortNode, NODE, OUTSIDE, startHostPortNode } from "./host_port_node.ts";

const WEB = { containerPort: 80, hostPort: 8080 };
const DNS = { containerPort: 53, hostPort: 5353, protocol: Protocol.UDP };

describe("host ports where nftables cannot be used", () => {
  const stack = new AsyncDisposableStack();
  let node: HostPortNode;

  before(async () => {
    node = stack.use(await startHostPortNode("", "iptables"));
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    await node.crid.removePods();
    assert.deepEqual(await node.tables(), []);
    assert.deepEqual(await node.crid.leftovers(), []);
  });

  it("are mapped by iptables, for other machines, the node, and the pod's neighbours", async () => {
    const pod = await node.servedPod([WEB, DNS]);
    const neighbour = await node.servedPod([]);
    assert.match(node.crid.log, /Host ports are mapped by iptables.*Protocol not supported/);
    const { outside, node: local } = node;
    assert.deepEqual(
      await Promise.all([
        node.ask(outside, "tcp", NODE.v4, 8080),
        node.ask(outside, "udp", NODE.other, 5353),
        node.ask(outside, "tcp", NODE.v6, 8080),
        node.ask(outside, "tcp", NODE.v4, 80),
      ]),
      [
        `${pod.name} heard ${OUTSIDE.v4}`,
        `${pod.name} heard ${OUTSIDE.v4}`,
        `${pod.name} heard ${OUTSIDE.v6}`,
        undefined,
      ],
    );
    for (
      const [from, address] of [
        ...[[local, "127.0.0.1"], [local, NODE.v4], [local, NODE.v6]] as const,
        ...[[pod.through, NODE.v4], [neighbour.through, NODE.v4]] as const,
      ]
    ) {
      const answer = await node.ask(from, "tcp", address, 8080);
      assert.ok(answer?.startsWith(`${pod.name} heard `), `${address}: ${answer}`);
    }
  });

  it("share a port by the address, and are free when their pod has stopped", async () => {
    const first = await node.servedPod([{ ...WEB, hostIp: NODE.v4 }]);
    const second = await node.servedPod([{ ...WEB, hostIp: NODE.other }]);
    assert.equal((await node.ask(node.outside, "tcp", NODE.v4, 8080))?.split(" ")[0], first.name);
    await node.crid.client.runtime.stopPodSandbox({ podSandboxId: first.id });
    assert.equal(await node.ask(node.outside, "tcp", NODE.v4, 8080), undefined);
    assert.equal(
      (await node.ask(node.outside, "tcp", NODE.other, 8080))?.split(" ")[0],
      second.name,
    );
  });

  it("are mapped again after a crash, and the rules of others stay", async () => {
    const pod = await node.servedPod([WEB]);
    const { isolation } = node.crid;
    const others = ["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "1", "-j", "RETURN"];
    await output(isolation, "iptables", others);
    await node.crid.kill9();
    const chain = (await node.tables()).find((line) => line.startsWith(":CRID-PORTS"))!;
    await output(isolation, "iptables", ["-t", "nat", "-F", chain.slice(1).split(" ")[0]!]);
    await node.crid.start();
    // It is done as soon as crid serves, but not before.
    const limit = AbortSignal.timeout(30_000);
    while (await node.ask(node.outside, "tcp", NODE.v4, 8080) === undefined) limit.throwIfAborted();
    await node.remove(pod);
    assert.match(await output(isolation, "iptables-save", ["-t", "nat"]), /--dport 1 -j RETURN/);
  });
});
