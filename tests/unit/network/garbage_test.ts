import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { ANSWER, fakeNetwork, fakePod } from "./fake_plugin.ts";

describe("deleting a pod that was never added", () => {
  it("names no namespace that is not there: a plugin would fail on a file that is none", async () => {
    using fake = await fakeNetwork();
    const netns = `${fake.root}/left-by-a-reboot`;
    Deno.writeTextFileSync(netns, "");
    await fake.network.tearDown(fakePod("unknown", { netns }));
    assert.match(fake.variables("DEL", "first"), /^CNI_NETNS=$/m);
  });
});

describe("collecting garbage", () => {
  it("deletes our pods that are not known any more and leaves the known ones", async () => {
    using fake = await fakeNetwork({ owner: "us" });
    for (const id of ["a", "b", "c"]) await fake.network.setUp(fakePod(id));
    await fake.network.collectGarbage([fakePod("b")]);
    const kept = [...Deno.readDirSync(fake.results)].map(({ name }) => name);
    assert.deepEqual(kept, ["fake-b-eth0"]);
    assert.equal(fake.calls().filter((call) => call.startsWith("DEL")).length, 4);
  });

  it("leaves what another runtime keeps in the same cache while its pods live", async () => {
    using fake = await fakeNetwork({ owner: "us" });
    using other = await fakeNetwork({ cacheDir: `${fake.root}/cache`, owner: "another" });
    await other.network.setUp(fakePod("theirs"));
    const libcni = (id: string, netns: string, cniArgs: string[][]) =>
      Deno.writeTextFileSync(
        `${fake.results}/fake-${id}-eth0`,
        JSON.stringify({
          kind: "cniCacheV1",
          containerId: id,
          ifName: "eth0",
          networkName: "fake",
          netns,
          cniArgs,
          result: JSON.parse(ANSWER.slice("echo '".length, -1)),
        }),
      );
    const args = [["K8S_POD_INFRA_CONTAINER_ID", "x"]];
    libcni("crio-living", "/proc/self/ns/net", args);
    libcni("podman", "/nonexistent", [["IgnoreUnknown", "1"]]);
    libcni("crio-dead", "/nonexistent", args);
    await fake.network.collectGarbage([]);
    const kept = [...Deno.readDirSync(fake.results)].map(({ name }) => name).toSorted();
    assert.deepEqual(kept, ["fake-crio-living-eth0", "fake-podman-eth0", "fake-theirs-eth0"]);
  });

  it("without a name of our own, deletes only pods whose namespace is gone", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod("living"));
    await fake.network.setUp(fakePod("dead", { netns: "/nonexistent" }));
    await fake.network.collectGarbage([]);
    const kept = [...Deno.readDirSync(fake.results)].map(({ name }) => name);
    assert.deepEqual(kept, ["fake-living-eth0"]);
  });

  it("tells plugins of CNI 1.1 all attachments that are valid", async () => {
    using fake = await fakeNetwork({ owner: "us" }, { cniVersion: "1.1.0" });
    await fake.network.setUp(fakePod("a"));
    await fake.network.setUp(fakePod("gone"));
    await fake.network.collectGarbage([fakePod("a"), fakePod("being-added")]);
    const valid = [
      { containerID: "a", ifname: "eth0" },
      { containerID: "being-added", ifname: "eth0" },
    ];
    assert.deepEqual(fake.input("GC", "second")["cni.dev/valid-attachments"], valid);
    assert.deepEqual(fake.calls().slice(-2), ["GC first", "GC second"]);
  });

  it("asks no plugin when the network forbids it, or is too old", async () => {
    for (const list of [{ cniVersion: "1.1.0", disableGC: true }, {}]) {
      using fake = await fakeNetwork({}, list);
      await fake.network.collectGarbage([]);
      assert.deepEqual(fake.calls(), []);
    }
  });

  it("goes on when one pod cannot be deleted, and keeps that one for the next time", async () => {
    using fake = await fakeNetwork({ owner: "us" });
    for (const id of ["a", "b"]) await fake.network.setUp(fakePod(id));
    fake.plugin("first", "[ $CNI_CONTAINERID != a ]");
    await fake.network.collectGarbage([]);
    assert.deepEqual([...Deno.readDirSync(fake.results)].map(({ name }) => name), ["fake-a-eth0"]);
  });
});

describe("the cache of results", () => {
  it("has libcni's file name, members and rights", async () => {
    using fake = await fakeNetwork({ owner: "us" });
    await fake.network.setUp(fakePod("pod1", { cgroupParent: "" }));
    const path = `${fake.results}/fake-pod1-eth0`;
    const { config, ...entry } = JSON.parse(Deno.readTextFileSync(path));
    assert.equal(atob(config), Deno.readTextFileSync(`${fake.confDir}/10-fake.conflist`));
    assert.deepEqual(entry, {
      kind: "cniCacheV1",
      containerId: "pod1",
      ifName: "eth0",
      networkName: "fake",
      netns: "/proc/self/ns/net",
      cniArgs: [
        ["IgnoreUnknown", "1"],
        ["K8S_POD_NAMESPACE", "default"],
        ["K8S_POD_NAME", "web"],
        ["K8S_POD_INFRA_CONTAINER_ID", "pod1"],
        ["K8S_POD_UID", "uid-1"],
      ],
      capabilityArgs: {
        portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "" }],
      },
      result: {
        cniVersion: "1.0.0",
        interfaces: [{ name: "eth0", sandbox: "x" }],
        ips: [{ address: "10.9.8.7/24", interface: 0 }],
      },
      owner: "us",
    });
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(fake.results).mode! & 0o777, 0o700);
  });

  it("survives damaged files: the pod is then deleted without a result", async () => {
    for (const text of ["", "{", '{"kind":"other"}', "null"]) {
      using fake = await fakeNetwork();
      await fake.network.setUp(fakePod());
      Deno.writeTextFileSync(`${fake.results}/fake-pod1-eth0`, text);
      assert.equal(await fake.network.cached({ id: "pod1" }), undefined);
      await fake.network.tearDown(fakePod());
      assert.equal(fake.input("DEL", "first").prevResult, undefined);
    }
  });

  it("drops CRI-O's entry for the loopback without a plugin", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    Deno.writeTextFileSync(
      `${fake.results}/cni-loopback-pod1-lo`,
      JSON.stringify({
        kind: "cniCacheV1",
        containerId: "pod1",
        ifName: "lo",
        networkName: "cni-loopback",
      }),
    );
    assert.deepEqual((await fake.network.cached({ id: "pod1" }))?.ips, ["10.9.8.7"]);
    await fake.network.tearDown(fakePod());
    assert.deepEqual(fake.calls().slice(2), ["DEL second", "DEL first"]);
    assert.deepEqual([...Deno.readDirSync(fake.results)], []);
  });
});
