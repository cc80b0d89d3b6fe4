import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { fakeNetwork } from "./fake_plugin.ts";

const single = { cniVersion: "1.0.0", plugins: [{ type: "first" }] };

describe("the network's condition", () => {
  it("is ready when there is a network whose plugins are all there", async () => {
    using fake = await fakeNetwork();
    assert.deepEqual(await fake.network.status(), { ready: true, reason: "", message: "" });
    assert.deepEqual(fake.calls(), [], "a network before CNI 1.1 costs no process");
  });

  it("has CRI-O's words for an empty and for a missing directory", async () => {
    for (const directory of ["", "/missing"]) {
      using fake = await fakeNetwork();
      const confDir = fake.confDir + directory;
      Deno.removeSync(`${fake.confDir}/10-fake.conflist`);
      using other = await fakeNetwork({ confDir });
      const { ready, reason, message } = await other.network.status();
      assert.equal(ready, false);
      assert.equal(reason, "NetworkPluginNotReady");
      assert.equal(
        message,
        "Network plugin returns error: " +
          `No CNI configuration file in ${confDir}. Has your network provider started?`,
      );
    }
  });

  it("says which file is broken and how, when that is all there is", async () => {
    using fake = await fakeNetwork();
    Deno.writeTextFileSync(`${fake.confDir}/10-fake.conflist`, "{ oops");
    assert.match((await fake.network.status()).message, /10-fake\.conflist: not a JSON object/);
  });

  it("says which plugin is missing, and is ready when it comes", async () => {
    using fake = await fakeNetwork({}, { plugins: [{ type: "third" }] });
    assert.match(
      (await fake.network.status()).message,
      /failed to find plugin "third" in path \[\S+\/missing \S+\/bin\]/,
    );
    const ready = fake.network.ready();
    fake.plugin("third", "true");
    await ready;
    assert.equal((await fake.network.status()).ready, true);
  });

  it("takes the first network in order of the file names whose plugins are there", async () => {
    using fake = await fakeNetwork();
    fake.configure("00-lacking.conflist", { ...single, name: "no", plugins: [{ type: "gone" }] });
    fake.configure("05-first.conflist", { ...single, name: "chosen" });
    await pause(50);
    await fake.network.tearDown({ ...pod, id: "x" });
    assert.equal(fake.input("DEL", "first").name, "chosen");
  });

  it("takes the network that is named, and says which there are when it is missing", async () => {
    using fake = await fakeNetwork({ defaultNetwork: "wanted" });
    assert.match(
      (await fake.network.status()).message,
      /cni_default_network is "wanted", there are: fake/,
    );
    const ready = fake.network.ready();
    fake.configure("99-last.conflist", { ...single, name: "wanted" });
    await ready;
    await fake.network.tearDown({ ...pod, id: "x" });
    assert.equal(fake.input("DEL", "first").name, "wanted");
  });

  it("follows the directory as files change, vanish and come back", async () => {
    using fake = await fakeNetwork();
    const file = `${fake.confDir}/10-fake.conflist`;
    assert.equal((await fake.network.status()).ready, true);
    Deno.removeSync(file);
    await until(async () => !(await fake.network.status()).ready);
    fake.configure("10-fake.conflist", { ...single, name: "again" });
    await until(async () => (await fake.network.status()).ready);
  });

  it("follows a directory that is made later, removed and made anew", async () => {
    using base = await fakeNetwork();
    const confDir = `${base.root}/late/net.d`;
    const pluginDirs = [`${base.root}/bin`];
    using late = await fakeNetwork({ confDir, pluginDirs });
    const put = () => {
      Deno.mkdirSync(confDir, { recursive: true });
      Deno.writeTextFileSync(`${confDir}/1.conflist`, JSON.stringify({ ...single, name: "late" }));
    };
    assert.equal((await late.network.status()).ready, false);
    for (let round = 0; round < 3; round++) {
      const ready = late.network.ready();
      put();
      await ready;
      Deno.removeSync(`${base.root}/late`, { recursive: true });
      await until(async () => !(await late.network.status()).ready);
    }
  });

  it("lets a waiting pod give up", async () => {
    using fake = await fakeNetwork({ defaultNetwork: "never" });
    await assert.rejects(fake.network.ready(AbortSignal.timeout(50)), { name: "TimeoutError" });
  });

  it("ends the wait of pods when the network is closed", async () => {
    const fake = await fakeNetwork({ defaultNetwork: "never" });
    const ready = fake.network.ready();
    fake[Symbol.dispose]();
    await assert.rejects(ready);
  });

  it("asks the plugins of CNI 1.1, at most once in a while however many want to know", async () => {
    using fake = await fakeNetwork({}, { cniVersion: "1.1.0" });
    const all = await Promise.all(Array.from({ length: 5 }, () => fake.network.status()));
    assert.ok(all.every(({ ready }) => ready));
    assert.deepEqual(fake.calls(), ["STATUS first", "STATUS second"]);
    assert.equal(fake.input("STATUS", "first").cniVersion, "1.1.0");
  });

  it("passes on what a plugin of CNI 1.1 says about itself", async () => {
    using fake = await fakeNetwork({}, { cniVersion: "1.1.0" });
    fake.plugin("second", `echo '{"code":50,"msg":"the daemon is down"}'; exit 1`);
    assert.equal(
      (await fake.network.status()).message,
      'Network plugin returns error: plugin type="second" name="fake" failed (status): ' +
        "the daemon is down (CNI error 50)",
    );
  });

  it("is not held up by a plugin whose STATUS hangs", async () => {
    using fake = await fakeNetwork({ limits: { status: 200 } }, { cniVersion: "1.1.0" });
    fake.plugin("first", "sleep 100");
    assert.match((await fake.network.status()).message, /CNI STATUS took longer than 0\.2 s/);
  });

  it("stays ready for good after the first time with a grace period of 0, as CRI-O's", async () => {
    using fake = await fakeNetwork({ statusGracePeriodMs: 0 });
    Deno.renameSync(`${fake.confDir}/10-fake.conflist`, `${fake.confDir}/off`);
    assert.equal((await fake.network.status()).ready, false);
    Deno.renameSync(`${fake.confDir}/off`, `${fake.confDir}/10-fake.conflist`);
    await until(async () => (await fake.network.status()).ready);
    Deno.removeSync(`${fake.confDir}/10-fake.conflist`);
    await pause(100);
    assert.equal((await fake.network.status()).ready, true);
  });

  it("asks plugins of CNI 1.1 without being asked when there is a grace period", async () => {
    using fake = await fakeNetwork({ statusGracePeriodMs: 300 }, { cniVersion: "1.1.0" });
    await until(() => Promise.resolve(fake.calls().includes("STATUS second")));
  });

  it("fails only after the grace period, and recovers at once", async () => {
    using fake = await fakeNetwork({ statusGracePeriodMs: 1_500 });
    const file = `${fake.confDir}/10-fake.conflist`;
    const text = Deno.readTextFileSync(file);
    assert.equal((await fake.network.status()).ready, true);
    Deno.removeSync(file);
    await pause(100);
    assert.equal((await fake.network.status()).ready, true);
    await pause(1_500);
    assert.equal((await fake.network.status()).ready, false);
    Deno.writeTextFileSync(file, text);
    await until(async () => (await fake.network.status()).ready);
  });
});

const pod = {
  name: "n",
  namespace: "ns",
  uid: "u",
  netns: "",
  portMappings: [],
  annotations: {},
  cgroupParent: "",
};

/** Waits for an event's effect; fails after 5 s. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000;
  while (!await holds()) {
    assert.ok(performance.now() < end, "it did not happen within 5 s");
    await pause(20);
  }
}
