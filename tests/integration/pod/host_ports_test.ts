import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Protocol } from "../../../src/gen/runtime/v1/api.ts";
import { isServiceError, output, runPod } from "../../harness/mod.ts";
import { type HostPortNode, NODE, OUTSIDE, startHostPortNode } from "./host_port_node.ts";

const WEB = { containerPort: 80, hostPort: 8080 };
const DNS = { containerPort: 53, hostPort: 5353, protocol: Protocol.UDP };

describe("host ports that no CNI plugin maps", () => {
  const stack = new AsyncDisposableStack();
  let node: HostPortNode;

  before(async () => {
    node = stack.use(await startHostPortNode());
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    await node.crid.removePods();
    assert.deepEqual(await node.tables(), []);
    assert.deepEqual(await node.crid.leftovers(), []);
  });

  it("answer other machines on every address, who are seen as they are", async () => {
    const pod = await node.servedPod([WEB, DNS]);
    const { outside } = node;
    const answers = await Promise.all([
      node.ask(outside, "tcp", NODE.v4, 8080),
      node.ask(outside, "udp", NODE.other, 5353),
      node.ask(outside, "tcp", NODE.v6, 8080),
      node.ask(outside, "udp", NODE.v6, 5353),
      node.ask(outside, "tcp", NODE.v4, 80),
    ]);
    assert.deepEqual(answers, [
      `${pod.name} heard ${OUTSIDE.v4}`,
      `${pod.name} heard ${OUTSIDE.v4}`,
      `${pod.name} heard ${OUTSIDE.v6}`,
      `${pod.name} heard ${OUTSIDE.v6}`,
      undefined,
    ]);
  });

  it("answer the node itself, on loopback too", async () => {
    const pod = await node.servedPod([WEB, DNS]);
    const asked = [["tcp", "127.0.0.1", 8080], ["udp", "127.0.0.1", 5353], ["tcp", NODE.v4, 8080], [
      "tcp",
      NODE.v6,
      8080,
    ]] as const;
    for (const [protocol, address, port] of asked) {
      const answer = await node.ask(node.node, protocol, address, port);
      assert.ok(answer?.startsWith(`${pod.name} heard `), `${protocol} ${address}: ${answer}`);
    }
  });

  it("answer the pod itself and its neighbours, and leave their own talk alone", async () => {
    const pod = await node.servedPod([WEB]);
    const neighbour = await node.servedPod([]);
    const asked = [[pod, NODE.v4], [neighbour, NODE.v4], [pod, NODE.v6], [
      neighbour,
      NODE.v6,
    ]] as const;
    for (const [{ through }, address] of asked) {
      const answer = await node.ask(through, "tcp", address, 8080);
      assert.ok(answer?.startsWith(`${pod.name} heard `), `${address}: ${answer}`);
    }
    const direct = await node.ask(neighbour.through, "tcp", pod.ips[0]!, 80);
    assert.equal(direct, `${pod.name} heard ${neighbour.ips[0]}`);
  });

  it("answer on the host address that is asked for alone, and pods share a port by it", async () => {
    const first = await node.servedPod([{ ...WEB, hostIp: NODE.v4 }]);
    const second = await node.servedPod([{ ...WEB, hostIp: NODE.other }]);
    const third = await node.servedPod([{ ...WEB, hostIp: "::" }]);
    const answers = [];
    for (const address of [NODE.v4, NODE.other, NODE.v6, "127.0.0.1"]) {
      const from = address.startsWith("127.") ? node.node : node.outside;
      answers.push((await node.ask(from, "tcp", address, 8080))?.split(" ")[0]);
    }
    assert.deepEqual(answers, [first.name, second.name, third.name, undefined]);
  });

  it("are refused to a second pod, and free as soon as the first one has stopped", async () => {
    const first = await node.servedPod([WEB]);
    const config = node.podConfig([WEB]);
    await assert.rejects(runPod(node.crid, config), (error) => {
      assert.ok(isServiceError(error));
      assert.match(error.details, new RegExp(`tcp port 8080 is pod tests_${first.name}'s`));
      return true;
    });
    assert.equal((await node.crid.client.runtime.listPodSandbox()).items.length, 1);
    await node.crid.client.runtime.stopPodSandbox({ podSandboxId: first.id });
    assert.deepEqual(await node.tables(), []);
    assert.equal(await node.ask(node.outside, "tcp", NODE.v4, 8080), undefined);
    await runPod(node.crid, config);
  });

  it("are mapped again after a crash that has lost some, and what nobody has goes", async () => {
    const pod = await node.servedPod([WEB]);
    const { isolation } = node.crid;
    const nft = (...args: string[]) => output(isolation, "nft", args);
    await node.crid.kill9();
    for (const table of await node.tables()) {
      const [, family, name] = table.split(" ");
      const stray = ["anywhere", "{", "udp . 9999 : fd00::1 . 80", "}"];
      if (family === "ip") await nft("delete", "table", "ip", name!);
      else await nft("add", "element", family!, name!, ...stray);
    }
    await node.crid.start();
    // It is done as soon as crid serves, but not before.
    const limit = AbortSignal.timeout(30_000);
    while (/9999/.test(await nft("list", "ruleset"))) limit.throwIfAborted();
    const answer = await node.ask(node.outside, "tcp", NODE.v4, 8080);
    assert.equal(answer, `${pod.name} heard ${OUTSIDE.v4}`);
  });

  it("stay as they are while crid is restarted, and take SCTP as well", async () => {
    const pod = await node.servedPod([WEB, {
      containerPort: 9,
      hostPort: 9999,
      protocol: Protocol.SCTP,
    }]);
    const rules = () => output(node.crid.isolation, "nft", ["list", "ruleset"]);
    const before = await rules();
    assert.match(before, /sctp \. 9999 : /);
    await node.crid.stop();
    const answer = await node.ask(node.outside, "tcp", NODE.v4, 8080);
    assert.equal(answer, `${pod.name} heard ${OUTSIDE.v4}`);
    await node.crid.start();
    const tables = (text: string) =>
      text.split("table ").filter((one) => /crid_hostports/.test(one));
    assert.deepEqual(tables(await rules()), tables(before));
  });
});

describe("host ports with disable_hostport_mapping", () => {
  it("are not mapped", async () => {
    await using node = await startHostPortNode(
      "[crio.runtime]\ndisable_hostport_mapping = true\n",
    );
    await runPod(node.crid, node.podConfig([WEB]));
    assert.deepEqual(await node.tables(), []);
    assert.match(node.crid.log, /Host ports of pod \S+ are not mapped/);
    await node.crid.removePods();
  });
});
