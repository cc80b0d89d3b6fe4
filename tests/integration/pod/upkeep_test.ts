import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  containerConfig,
  type Crid,
  cridCommand,
  execShell,
  output,
  podConfig,
  runContainer,
  runPod,
  sharedCrid,
} from "../../harness/mod.ts";
import { run } from "../../../src/linux/mod.ts";
import { BUSYBOX } from "../../images/mod.ts";

describe("a node that was not shut down as it should", () => {
  let crid: Crid;
  sharedCrid(async (started) => {
    crid = started;
    const drop = join(crid.node.configDropIns, "60-persist.conf");
    await Deno.writeTextFile(drop, `[crio]\nversion_file_persist = "${at("version.persist")}"\n`);
    await crid.stop();
    await crid.start();
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  const at = (name: string) => join(crid.node.directory, name);
  const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);

  async function runningPod() {
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    return { pod, container: await runContainer(crid, pod, config, containerConfig()) };
  }

  async function counts() {
    const { runtime, image } = crid.client;
    return {
      pods: (await runtime.listPodSandbox({})).items.length,
      containers: (await runtime.listContainers({})).containers.length,
      images: (await image.listImages({})).images.length,
    };
  }

  /** Another crid command on the node's configuration. */
  async function command(...args: string[]): Promise<{ code: number; text: string }> {
    const { node, isolation } = crid;
    const [program, ...rest] = [
      ...isolation!.through,
      ...cridCommand(),
      ...["--config", node.config, "--config-dir", node.configDropIns],
      ...args,
    ];
    const { code, stderr } = await run(program!, rest, { env: Deno.env.toObject() });
    return { code, text: new TextDecoder().decode(stderr) };
  }

  it("keeps its version files, and the clean-shutdown file while it is down", async () => {
    assert.match(await Deno.readTextFile(at("version")), /^"\d+\.\d+\.\d+.*"$/);
    assert.equal(
      await Deno.readTextFile(at("version.persist")),
      await Deno.readTextFile(at("version")),
    );
    assert.equal(await exists(at("clean.shutdown")), false);
    assert.equal(await exists(at("clean.shutdown.supported")), true);
    await crid.stop();
    assert.equal(await exists(at("clean.shutdown")), true);
    await crid.start();
    assert.equal(await exists(at("clean.shutdown")), false);
  });

  it("has its pods as they were after a crash, and checks its store then", async () => {
    const { container } = await runningPod();
    await crid.kill9();
    await crid.start();
    assert.deepEqual(await counts(), { pods: 1, containers: 1, images: 1 });
    assert.equal((await execShell(crid, container, "echo on")).stdout, "on\n");
  });

  /** What a power cycle takes away: processes, mounts, packet filters, whatever is on a tmpfs. */
  async function reboot(): Promise<void> {
    const { node, isolation } = crid;
    await crid.kill9();
    const script = `for p in /proc/[0-9]*; do case "$(tr '\\0' ' ' < $p/cmdline 2>/dev/null)" in
      *${node.directory}*) [ $p = /proc/$$ ] || kill -9 \${p#/proc/} 2>/dev/null ;; esac; done
      for c in $(find /sys/fs/cgroup -path '*${node.cgroupParent}*' -name cgroup.procs); do
        for p in $(cat $c); do kill -9 $p 2>/dev/null; done; done
      sleep 0.3
      for m in $(awk '$5 ~ "^${node.directory}/" {print $5}' /proc/self/mountinfo | tac); do
        umount -l "$m"; done
      iptables -t nat -F; iptables -t nat -X
      ip link delete ${node.network} 2>/dev/null; true`;
    await output(isolation, "sh", ["-c", script]);
    for (const path of [node.runRoot, node.namespaces, node.exits, node.runtimeRoot]) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    }
    await Deno.remove(at("version"));
  }

  it("has no pods but its images after a reboot", async () => {
    await runningPod();
    await reboot();
    await crid.start();
    assert.deepEqual(await counts(), { pods: 0, containers: 0, images: 1 });
    await runningPod();
  });

  it("has its pods as not ready after a reboot when it is not to wipe, and removes them", async () => {
    const keep = join(crid.node.configDropIns, "70-keep.conf");
    await Deno.writeTextFile(keep, "[crio]\ninternal_wipe = false\n");
    await runningPod();
    await reboot();
    await crid.start();
    assert.deepEqual(await counts(), { pods: 1, containers: 1, images: 1 });
    const { items } = await crid.client.runtime.listPodSandbox({});
    assert.equal(items[0]!.state, 1);
    await crid.removePods();
    await Deno.remove(keep);
  });

  it("removes the pods of before a reboot when a plugin is there that comes late", async () => {
    const plugins = at("plugins");
    await output(crid.isolation, "cp", ["-r", "/usr/lib/cni", plugins]);
    const drop = join(crid.node.configDropIns, "70-plugins.conf");
    await Deno.writeTextFile(drop, `[crio.network]\nplugin_dirs = ["${plugins}"]\n`);
    await crid.stop();
    await crid.start();
    const { pod } = await runningPod();
    await reboot();
    await Deno.rename(join(plugins, "bridge"), at("bridge"));
    await crid.start();
    assert.equal((await counts()).pods, 1);
    await Deno.rename(at("bridge"), join(plugins, "bridge"));
    while ((await counts()).pods > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.doesNotMatch(crid.log, /giving up on the network/);
    assert.match(crid.log, new RegExp(`Successfully cleaned up network for pod ${pod}`));
    await Deno.remove(drop);
  });

  it("loses pods and their images when another minor version has run here", async () => {
    await runningPod();
    await crid.stop();
    await Deno.writeTextFile(at("version.persist"), '"0.0.1"');
    await crid.start();
    assert.deepEqual(await counts(), { pods: 0, containers: 0, images: 0 });
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  it("is wiped by hand when nothing runs, and only when forced as long as the daemon does it", async () => {
    await runningPod();
    await crid.removePods();
    const config = podConfig(crid);
    const pod = await runPod(crid, config);
    await crid.client.runtime.stopPodSandbox({ podSandboxId: pod });
    await crid.stop();
    assert.equal((await command("wipe")).code, 0);
    await crid.start();
    assert.equal((await counts()).pods, 1);
    await crid.stop();
    const { code, text } = await command("wipe", "--force");
    assert.equal(code, 0, text);
    assert.match(text, new RegExp(`Deleted container ${pod}`));
    await crid.start();
    assert.equal((await counts()).pods, 0);
    assert.deepEqual(await crid.leftovers(), []);
  });

  it("is not wiped by hand for an upgrade without a reboot, as by CRI-O", async () => {
    const keep = join(crid.node.configDropIns, "70-keep.conf");
    await Deno.writeTextFile(keep, "[crio]\ninternal_wipe = false\n");
    await runningPod();
    await crid.stop();
    await Deno.remove(at("version.persist"));
    assert.equal((await command("wipe")).code, 0);
    await crid.start();
    assert.deepEqual(await counts(), { pods: 1, containers: 1, images: 1 });
    await crid.removePods();
    await Deno.remove(keep);
  });

  it("finds and repairs what is damaged in its store", async () => {
    await crid.stop();
    assert.equal((await command("check")).code, 0);
    const images = join(crid.node.storageRoot, "overlay-images");
    const [id] = Array.from(Deno.readDirSync(images)).filter(({ isDirectory, name }) =>
      isDirectory && name.length === 64
    ).map(({ name }) => name);
    await Deno.writeTextFile(join(images, id!, "manifest"), "{}");
    const found = await command("check", "--quick");
    assert.equal(found.code, 1);
    assert.match(found.text, new RegExp(`Damaged image ${id}: its data manifest has 2 bytes`));
    assert.match(found.text, /0 layer errors, 0 read-only layer errors, 1 image errors/);
    const repaired = await command("check", "--quick", "--repair");
    assert.equal(repaired.code, 0, repaired.text);
    assert.equal((await command("check")).code, 0);
    await crid.start();
    assert.equal((await counts()).images, 0);
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  it("finds a layer whose files are not what was pulled, but only when it looks closely", async () => {
    await crid.stop();
    const layers = join(crid.node.storageRoot, "overlay");
    await output(crid.isolation, "sh", ["-c", `echo x >> $(ls ${layers}/*/diff/bin/busybox)`]);
    assert.equal((await command("check", "--quick")).code, 0);
    const found = await command("check");
    assert.equal(found.code, 1);
    assert.match(found.text, /Damaged layer [0-9a-f]{64}/);
    assert.equal((await command("check", "--repair")).code, 0);
    await crid.start();
    assert.equal((await counts()).images, 0);
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });

  it("repairs its store by itself after a crash", async () => {
    await crid.kill9();
    const layers = join(crid.node.storageRoot, "overlay");
    await output(crid.isolation, "sh", ["-c", `rm -r ${layers}/*/diff`]);
    await crid.start();
    assert.match(crid.log, /The last shutdown was unclean; [1-9]/);
    assert.equal((await counts()).images, 0);
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
    await runningPod();
  });
});
