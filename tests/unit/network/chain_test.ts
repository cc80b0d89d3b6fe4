import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { ANSWER, fakeNetwork, fakePod } from "./fake_plugin.ts";

describe("setting up a pod's network", () => {
  it("runs each plugin once, in order, and returns the pod's address", async () => {
    using fake = await fakeNetwork();
    const result = await fake.network.setUp(fakePod());
    assert.deepEqual(result.ips, ["10.9.8.7"]);
    assert.equal(JSON.parse(result.raw).cniVersion, "1.0.0");
    assert.deepEqual(fake.calls(), ["ADD first", "ADD second"]);
  });

  it("tells plugins the pod in variables, and what they declared in runtimeConfig", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    const path = `${fake.root}/missing:${fake.root}/bin`;
    assert.equal(
      fake.variables("ADD", "first"),
      `CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=pod1;K8S_POD_UID=uid-1
CNI_COMMAND=ADD
CNI_CONTAINERID=pod1
CNI_IFNAME=eth0
CNI_NETNS=/proc/self/ns/net
CNI_PATH=${path}
`,
    );
    assert.deepEqual(fake.input("ADD", "first"), {
      type: "first",
      name: "fake",
      cniVersion: "1.0.0",
    });
    const second = fake.input("ADD", "second");
    assert.deepEqual(second.runtimeConfig, {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "" }],
    });
    assert.deepEqual((second.prevResult as { ips: unknown }).ips, [
      { address: "10.9.8.7/24", interface: 0 },
    ]);
  });

  it("is done once: a retry for the same namespace gets the cached result", async () => {
    using fake = await fakeNetwork();
    const [one, two] = await Promise.all([
      fake.network.setUp(fakePod()),
      fake.network.setUp(fakePod()),
    ]);
    assert.deepEqual(one, two);
    assert.equal(fake.calls().length, 2);
    assert.deepEqual((await fake.network.cached({ id: "pod1" }))?.ips, ["10.9.8.7"]);
    assert.equal(await fake.network.cached({ id: "pod" }), undefined);
  });

  it("deletes and adds again when the pod has a new namespace", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    await fake.network.setUp(fakePod("pod1", { netns: "/proc/1/ns/net" }));
    assert.deepEqual(fake.calls().slice(2), ["DEL second", "DEL first", "ADD first", "ADD second"]);
  });

  it("deletes the whole chain in reverse after a failure, and says who failed and why", async () => {
    using fake = await fakeNetwork();
    fake.plugin(
      "second",
      `[ $CNI_COMMAND = DEL ] || { echo '{"code":11,"msg":"no addresses","details":"range full"}'; exit 1; }`,
    );
    await assert.rejects(fake.network.setUp(fakePod()), {
      code: "internal",
      message: 'add pod default_web to CNI network "fake": plugin type="second" name="fake" ' +
        "failed (add): no addresses; range full (CNI error 11)",
    });
    assert.deepEqual(fake.calls(), ["ADD first", "ADD second", "DEL second", "DEL first"]);
    assert.ok(fake.input("DEL", "first").prevResult, "the result so far goes along");
    assert.equal(await fake.network.cached({ id: "pod1" }), undefined);
  });

  const failures: Record<string, [string, RegExp]> = {
    "garbage": ["echo hello world", /failed \(add\): printed no JSON object: hello world/],
    "nothing": ["true", /failed \(add\): printed nothing/],
    "an error text on stderr": [
      "echo broken >&2; exit 3",
      /exit code 3 without an error object: broken/,
    ],
    "nothing and failing": ["exit 7", /exit code 7 without a message/],
    "a signal": ["kill -SEGV $$", /ended by SIGSEGV without a message/],
    "far too much": [
      "yes '{}' | head -c 20000000",
      /failed \(add\): printed more than 4194304 bytes/,
    ],
  };
  for (const [what, [body, message]] of Object.entries(failures)) {
    it(`fails clearly when a plugin answers with ${what}`, async () => {
      using fake = await fakeNetwork();
      fake.plugin("first", `[ $CNI_COMMAND = ADD ] || exit 0; ${body}`);
      await assert.rejects(fake.network.setUp(fakePod()), { code: "internal", message });
    });
  }

  it("kills a plugin that hangs, with all that it has started, and still deletes", async () => {
    using fake = await fakeNetwork({ limits: { add: 300 } });
    fake.plugin(
      "first",
      `[ $CNI_COMMAND = ADD ] || exit 0; sleep 100 & echo $! > ${fake.root}/child; wait`,
    );
    await assert.rejects(fake.network.setUp(fakePod()), {
      code: "deadline_exceeded",
      message: /plugin type="first" name="fake" failed \(add\): CNI ADD took longer than 0\.3 s/,
    });
    assert.deepEqual(fake.calls(), ["ADD first", "DEL second", "DEL first"]);
    await assertGone(Number(Deno.readTextFileSync(`${fake.root}/child`)));
  });

  it("is taken back when the caller gives up", async () => {
    using fake = await fakeNetwork();
    fake.plugin("second", "[ $CNI_COMMAND = ADD ] || exit 0; sleep 100");
    const caller = new AbortController();
    const set = fake.network.setUp(fakePod(), caller.signal);
    while (!fake.calls().includes("ADD second")) await pause(10);
    caller.abort(new DOMException("hung up", "AbortError"));
    await assert.rejects(set, { code: "cancelled" });
    assert.deepEqual(fake.calls().slice(2), ["DEL second", "DEL first"]);
  });

  it("refuses an id that would leave the cache directory", async () => {
    using fake = await fakeNetwork();
    await assert.rejects(fake.network.setUp(fakePod("../../x")), { code: "invalid_argument" });
    assert.deepEqual(fake.calls(), []);
  });

  it("speaks the version of the network to plugins that answer in another", async () => {
    using fake = await fakeNetwork({}, { cniVersion: "0.3.1" });
    await fake.network.setUp(fakePod());
    const { cniVersion, prevResult } = fake.input("ADD", "second");
    assert.equal(cniVersion, "0.3.1");
    assert.deepEqual(prevResult, {
      cniVersion: "0.3.1",
      interfaces: [{ name: "eth0", sandbox: "x" }],
      ips: [{ version: "4", address: "10.9.8.7/24", interface: 0 }],
    });
  });
});

describe("tearing down a pod's network", () => {
  it("runs the chain in reverse with the cached result and empties the cache", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    await fake.network.tearDown(fakePod());
    assert.deepEqual(fake.calls().slice(2), ["DEL second", "DEL first"]);
    assert.ok(fake.input("DEL", "second").prevResult);
    assert.ok(fake.input("DEL", "second").runtimeConfig);
    assert.deepEqual([...Deno.readDirSync(fake.results)], []);
  });

  it("uses the configuration that the pod was added with, not today's", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    Deno.removeSync(`${fake.confDir}/10-fake.conflist`);
    fake.configure("10-new.conflist", {
      cniVersion: "1.0.0",
      name: "new",
      plugins: [{ type: "second" }],
    });
    await fake.network.tearDown(fakePod());
    assert.equal(fake.input("DEL", "first").name, "fake");
  });

  it("works for another instance after a restart", async () => {
    using before = await fakeNetwork();
    await before.network.setUp(fakePod());
    using after = await fakeNetwork({
      confDir: before.confDir,
      cacheDir: `${before.root}/cache`,
      pluginDirs: [`${before.root}/bin`],
    });
    assert.deepEqual((await after.network.cached({ id: "pod1" }))?.ips, ["10.9.8.7"]);
    await after.network.tearDown(fakePod());
    assert.deepEqual(before.calls().slice(2), ["DEL second", "DEL first"]);
  });

  it("is attempted for a pod that was never added, without a result", async () => {
    using fake = await fakeNetwork();
    await fake.network.tearDown(fakePod("never"));
    assert.deepEqual(fake.calls(), ["DEL second", "DEL first"]);
    assert.equal(fake.input("DEL", "first").prevResult, undefined);
  });

  it("does nothing without any network, and for a pod whose bandwidth cannot be read", async () => {
    using fake = await fakeNetwork();
    const annotations = { "kubernetes.io/ingress-bandwidth": "fast" };
    await fake.network.tearDown(fakePod("never", { annotations }));
    Deno.removeSync(`${fake.confDir}/10-fake.conflist`);
    await pause(50);
    await fake.network.tearDown(fakePod("never"));
    assert.equal(fake.calls().length, 2);
  });

  it("has nothing to do for a pod whose name kept it from being added", async () => {
    using fake = await fakeNetwork();
    const pod = fakePod("pod1", { name: "a;b" });
    await assert.rejects(fake.network.setUp(pod), { code: "invalid_argument" });
    await fake.network.tearDown(pod);
    assert.deepEqual(fake.calls(), []);
  });

  it("tells plugins no namespace when it is gone, or a plain file stands in its place", async () => {
    for (const netns of ["", "/nonexistent/netns", "/etc/hostname"]) {
      using fake = await fakeNetwork();
      await fake.network.setUp(fakePod());
      await fake.network.tearDown(fakePod("pod1", { netns }));
      assert.match(fake.variables("DEL", "first"), /^CNI_NETNS=$/m);
    }
  });

  it("tells plugins the namespace while it is there", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    await fake.network.tearDown(fakePod());
    assert.match(fake.variables("DEL", "first"), /^CNI_NETNS=\/proc\/self\/ns\/net$/m);
  });

  it("asks the other plugins too when one fails, keeps the result, and a retry succeeds", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    fake.plugin("second", `[ $CNI_COMMAND != DEL ] || { echo '{"code":5,"msg":"busy"}'; exit 1; }`);
    await assert.rejects(fake.network.tearDown(fakePod()), {
      message: 'delete pod default_web from CNI network "fake": plugin type="second" name="fake" ' +
        "failed (del): busy (CNI error 5)",
    });
    assert.deepEqual(fake.calls().slice(2), ["DEL second", "DEL first"]);
    fake.plugin("second", "true");
    await fake.network.tearDown(fakePod());
    assert.equal(await fake.network.cached({ id: "pod1" }), undefined);
  });

  it("waits for an ADD of the same pod that is still running", async () => {
    using fake = await fakeNetwork();
    fake.plugin("first", `[ $CNI_COMMAND != ADD ] || { sleep 0.2; ${ANSWER}; }`);
    const set = fake.network.setUp(fakePod());
    const torn = fake.network.tearDown(fakePod());
    await Promise.all([set, torn]);
    assert.deepEqual(fake.calls(), ["ADD first", "ADD second", "DEL second", "DEL first"]);
  });

  it("gives up on a plugin that hangs", async () => {
    using fake = await fakeNetwork({ limits: { del: 200 } });
    await fake.network.setUp(fakePod());
    fake.plugin("second", "sleep 100");
    await assert.rejects(fake.network.tearDown(fakePod()), { code: "deadline_exceeded" });
  });
});

describe("checking a pod's network", () => {
  it("asks every plugin with the cached result and passes on a failure", async () => {
    using fake = await fakeNetwork();
    await fake.network.setUp(fakePod());
    await fake.network.check(fakePod());
    assert.deepEqual(fake.calls().slice(2), ["CHECK first", "CHECK second"]);
    assert.ok(fake.input("CHECK", "first").prevResult);
    fake.plugin("second", `echo '{"code":100,"msg":"veth is gone"}'; exit 1`);
    await assert.rejects(fake.network.check(fakePod()), { message: /veth is gone/ });
  });

  it("asks nothing when the network says so, or is too old", async () => {
    for (const list of [{ disableCheck: true }, { cniVersion: "0.3.1" }]) {
      using fake = await fakeNetwork({}, list);
      await fake.network.setUp(fakePod());
      await fake.network.check(fakePod());
      assert.equal(fake.calls().length, 2);
    }
  });

  it("says that a pod was never set up", async () => {
    using fake = await fakeNetwork();
    await assert.rejects(fake.network.check(fakePod()), { code: "not_found" });
  });
});

async function assertGone(pid: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      if (/\) Z /.test(stat)) return;
    } catch {
      return;
    }
    await pause(10);
  }
  assert.fail(`process ${pid} is still there`);
}
