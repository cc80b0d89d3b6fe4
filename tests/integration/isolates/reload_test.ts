import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import { join } from "@std/path";
import {
  containerConfig,
  type Crid,
  execShell,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";

const LIMIT_MS = 30_000;
const LOOK_MS = 20;

describe("SIGHUP", () => {
  let crid: Crid;
  sharedCrid(async (started) => {
    crid = started;
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  /** What crid logs from a change of its drop-in file until it is in force, or refused. */
  async function reload(text: string): Promise<string> {
    const before = crid.log.length;
    await Deno.writeTextFile(join(crid.node.configDropIns, "90-reload.conf"), text);
    process.kill(crid.pid, "SIGHUP");
    const limit = Date.now() + LIMIT_MS;
    for (;;) {
      const said = crid.log.slice(before);
      if (/Configuration reload completed|Unable to reload configuration/.test(said)) return said;
      assert.ok(Date.now() < limit, said);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async function handlers(): Promise<readonly string[]> {
    const { runtimeHandlers } = await crid.client.runtime.status({});
    return runtimeHandlers.map(({ name }) => name).filter((name) => name !== "").toSorted();
  }

  it("brings new runtime handlers, pinned images and profiles to a node with pods", async () => {
    let config = podConfig(crid);
    const old = await runContainer(crid, await runPod(crid, config), config, containerConfig());
    assert.deepEqual(await handlers(), ["crun", "runc"]);
    const said = await reload(`[crio.runtime]
default_env = ["NEW=1"]
[crio.runtime.runtimes.extra]
runtime_path = "/usr/sbin/runc"
runtime_root = "${join(crid.node.runtimeRoot, "runc")}"
default_annotations = { "umask.crio.io" = "0027" }
allowed_annotations = ["umask.crio.io"]
[crio.image]
pinned_images = ["${BUSYBOX}"]
`);
    assert.match(said, /Reloading configuration/);
    assert.match(said, /Updating runtime configuration/);
    assert.match(said, /Set config pinned_images to \\"registry\.k8s\.io\S+busybox\S*\\"/);
    assert.deepEqual(await handlers(), ["crun", "extra", "runc"]);
    const { image } = await crid.client.image.imageStatus({ image: { image: BUSYBOX } });
    assert.equal(image!.pinned, true);
    assert.equal((await execShell(crid, old, "echo on")).stdout, "on\n");

    const pod = await runPod(crid, config = podConfig(crid), "extra");
    const fresh = await runContainer(crid, pod, config, containerConfig());
    const { stdout } = await execShell(crid, fresh, "cat /proc/1/status; echo $NEW");
    assert.match(stdout, /Umask:\s+0027/);
    assert.match(stdout, /\n\n$/, "what only a start can change has not changed");
  });

  it("keeps a handler that is gone from the files as long as a pod needs it", async () => {
    await reload(`[crio.runtime.runtimes.extra]
runtime_path = "/usr/sbin/runc"
runtime_root = "${join(crid.node.runtimeRoot, "runc")}"
`);
    const config = podConfig(crid);
    const pod = await runPod(crid, config, "extra");
    assert.match(await reload(""), /Runtime handler \\"extra\\" is kept/);
    const container = await runContainer(crid, pod, config, containerConfig());
    assert.equal((await execShell(crid, container, "echo on")).stdout, "on\n");
    await crid.removePods();
    await reload("");
    assert.deepEqual(await handlers(), ["crun", "runc"]);
  });

  it("leaves pods with the default handler that they were made with, over a start too", async () => {
    const runs = async (name: string, container: string) => {
      const there = await Deno.stat(join(crid.node.runtimeRoot, name, container)).catch(() => {});
      return there !== undefined;
    };
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    const old = await runContainer(crid, pod, config, containerConfig());
    await reload('[crio.runtime]\ndefault_runtime = "crun"\n');
    await crid.stop();
    await crid.start();
    assert.equal((await execShell(crid, old, "echo on")).stdout, "on\n");
    const beside = await runContainer(crid, pod, config, containerConfig());
    assert.ok(await runs("runc", beside));
    const other = podConfig(crid);
    const fresh = await runContainer(crid, await runPod(crid, other), other, containerConfig());
    assert.ok(await runs("crun", fresh));
    await reload("");
  });

  it("tells whether registries.conf makes sense", async () => {
    assert.match(await reload(""), /Applied new registry configuration/);
    const path = crid.node.registriesConf;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, `${text}\ninvalid\n`);
    assert.match(
      await reload("[crio.runtime]\nlog_filter = 'nothing'\n"),
      /Unable to reload configuration: system registries reload failed: .*registries\.conf/,
    );
    await Deno.writeTextFile(path, text);
    assert.match(await reload(""), /Applied new registry configuration/);
  });

  it("changes what is logged", async () => {
    await reload('[crio.runtime]\nlog_level = "info"\n');
    const before = crid.log.length;
    await crid.client.runtime.version({});
    assert.doesNotMatch(crid.log.slice(before), /level=debug/);
    assert.match(
      await reload('[crio.runtime]\nlog_level = "debug"\n'),
      /Set config log_level to \\"debug\\"/,
    );
    const later = crid.log.length;
    await crid.client.runtime.version({});
    await crid.client.runtime.version({});
    assert.match(crid.log.slice(later), /level=debug msg="Request: .*VersionRequest/);
  });

  for (
    const [what, text, why] of [
      ["a broken file", "[crio.runtime", /50-test|90-reload\.conf/],
      ["a value that makes no sense", '[crio.runtime]\nlog_level = "loud"\n', /loud/],
      [
        "a file of block I/O classes that is not there",
        '[crio.runtime]\nblockio_config_file = "/none"\n',
        /blockio_config_file \/none/,
      ],
      ["an unknown default runtime", '[crio.runtime]\ndefault_runtime = "none"\n', /none/],
    ] as const
  ) {
    it(`says what is wrong with ${what} and goes on as before`, async () => {
      const known = await handlers();
      const said = await reload(`${text}\n`);
      assert.match(said, /level=error msg="Unable to reload configuration: /);
      assert.match(said, why);
      assert.deepEqual(await handlers(), known);
      await runPod(crid, podConfig(crid));
      await reload("");
    });
  }

  it("is not lost while another reload is under way", async () => {
    const before = crid.log.length;
    for (let count = 0; count < 3; count++) process.kill(crid.pid, "SIGHUP");
    await reload("");
    assert.doesNotMatch(crid.log.slice(before), /Unable to reload/);
    await assert.rejects(
      runPod(crid, podConfig(crid), "extra"),
      (error) =>
        isServiceError(error) && /failed to find runtime handler extra/.test(error.details),
    );
  });
});
