import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { crictl, crictlOutput, type Crid, sharedCrid } from "../harness/mod.ts";
import { BUSYBOX, multiArchitectureImage } from "../images/mod.ts";

/** What crictl's `-o json` shows of lists; only what is looked at. */
interface Listed {
  readonly items: readonly { readonly id: string; readonly state: string }[];
  readonly containers: readonly { readonly id: string; readonly state: string }[];
  readonly images: readonly {
    readonly id: string;
    readonly repoTags: readonly string[];
    readonly repoDigests: readonly string[];
  }[];
  readonly stats: readonly { readonly attributes: { readonly id: string } }[];
}

for (const runtime of ["runc", "crun"] as const) {
  describe(`crictl over crid with ${runtime}`, () => {
    let crid: Crid;

    const show = (...args: readonly string[]) => crictlOutput(crid, args);
    const showId = async (...args: readonly string[]) => (await show(...args)).trim();
    const json = async (command: string, ...args: readonly string[]): Promise<Listed> =>
      JSON.parse(await show(command, "-o", "json", ...args));
    const writeConfig = async (name: string, config: unknown) => {
      const path = join(crid.node.directory, name);
      await Deno.writeTextFile(path, JSON.stringify(config));
      return path;
    };
    const podFile = (name: string) =>
      writeConfig(`pod-${name}.json`, {
        metadata: { name, namespace: "crictl", uid: `${name}-uid`, attempt: 1 },
        log_directory: join(crid.node.logs, name),
        linux: { cgroup_parent: crid.node.cgroupParent },
      });
    const containerFile = (name: string, command: readonly string[]) =>
      writeConfig(`container-${name}.json`, {
        metadata: { name },
        image: { image: BUSYBOX },
        command,
        log_path: `${name}.log`,
        linux: {},
      });

    const images = ["e2e-test-images/busybox", "crid/configured", "crid/multi-arch"];
    sharedCrid(async (started) => {
      crid = started;
      await crid.client.image.pullImage({ image: { image: BUSYBOX } });
    }, { runtime, images });

    it("version and info say who answers and that all is ready", async () => {
      assert.match(await show("version"), /RuntimeName:\s+\S+\nRuntimeVersion:\s+\S+/);
      const info = JSON.parse(await show("info"));
      const conditions: { type: string; status: boolean }[] = info.status.conditions;
      for (const type of ["RuntimeReady", "NetworkReady"]) {
        assert.equal(conditions.find((condition) => condition.type === type)?.status, true, type);
      }
    });

    it("pull, images, inspecti and rmi show an image come and go", async () => {
      const name = "registry.k8s.io/crid/configured:latest";
      await show("pull", name);
      const { images } = await json("images", name);
      assert.deepEqual(images[0]?.repoTags, [name]);
      const { status } = JSON.parse(await show("inspecti", name));
      assert.equal(status.id, images[0]?.id);
      assert.equal(status.username, "www-data");
      await show("rmi", name);
      assert.deepEqual((await json("images", name)).images, []);
      assert.notEqual((await crictl(crid, ["inspecti", name])).code, 0);
    });

    it("pull by the digest of an index gives the image that digest and no tag", async () => {
      const { manifest } = await multiArchitectureImage("oci");
      const name = `registry.k8s.io/crid/multi-arch@${manifest.blob.digest}`;
      await show("pull", name);
      const { images } = await json("images", name);
      assert.deepEqual(images.map(({ repoTags, repoDigests }) => ({ repoTags, repoDigests })), [
        { repoTags: [], repoDigests: [name] },
      ]);
      await show("rmi", name);
    });

    it("pull of an image that is nowhere fails and says which", async () => {
      const { code, stderr } = await crictl(crid, ["pull", "registry.k8s.io/crid/nowhere:1"]);
      assert.notEqual(code, 0);
      assert.match(stderr, /crid\/nowhere/);
    });

    it("runp, create, start, ps, inspect, logs, exec -s, stop, rm, stopp and rmp lead a pod through its life", async () => {
      const podConfig = await podFile("life");
      const script =
        "trap 'exit 3' TERM; echo ready; echo trouble >&2; while :; do sleep 0.1; done";
      const config = await containerFile("worker", ["sh", "-c", script]);

      const pod = await showId("runp", podConfig);
      assert.equal((await json("pods", "--id", pod)).items[0]?.state, "SANDBOX_READY");
      const { status: podStatus } = JSON.parse(await show("inspectp", pod));
      assert.ok(podStatus.network.ip.startsWith(`${crid.node.subnet}.`), podStatus.network.ip);

      const container = await showId("create", pod, config, podConfig);
      assert.equal((await json("ps", "-a")).containers[0]?.state, "CONTAINER_CREATED");
      await show("start", container);
      assert.equal((await json("ps")).containers[0]?.id, container);
      const { status, info } = JSON.parse(await show("inspect", container.slice(0, 13)));
      assert.equal(status.id, container);
      assert.equal(status.state, "CONTAINER_RUNNING");
      assert.ok(info.pid > 1, `pid ${info.pid}`);

      assert.equal(await showId("exec", "-s", container, "echo", "from inside"), "from inside");
      const failed = await crictl(crid, ["exec", "-s", container, "sh", "-c", "exit 7"]);
      assert.match(failed.stderr, /\b7\b/);
      assert.equal(await waitForLog(container), "ready\ntrouble\n");

      await show("stop", "--timeout", "20", container);
      const { status: stopped } = JSON.parse(await show("inspect", container));
      assert.equal(stopped.state, "CONTAINER_EXITED");
      assert.equal(stopped.exitCode, 3);
      await show("rm", container);
      assert.deepEqual((await json("ps", "-a")).containers, []);
      await show("stopp", pod);
      assert.equal((await json("pods", "--id", pod)).items[0]?.state, "SANDBOX_NOTREADY");
      await show("rmp", pod);
      assert.deepEqual((await json("pods")).items, []);
      assert.deepEqual(await crid.leftovers(), []);
    });

    it("run makes pod and container at once, stats show it, and rmp -f takes both", async () => {
      const container = await showId(
        "run",
        await containerFile("at-once", ["sleep", "1000"]),
        await podFile("at-once"),
      );
      assert.equal((await json("ps", "--id", container)).containers[0]?.state, "CONTAINER_RUNNING");
      assert.equal((await json("stats", container)).stats[0]?.attributes.id, container);
      const { items } = await json("pods", "--name", "at-once");
      await show("rmp", "-f", items[0]!.id);
      assert.deepEqual((await json("ps", "-a")).containers, []);
      assert.deepEqual(await crid.leftovers(), []);
    });

    it("rm -f and rmp -f -a take away what still runs", async () => {
      const podConfig = await podFile("forced");
      const pod = await showId("runp", podConfig);
      const config = await containerFile("forced", ["sleep", "1000"]);
      const container = await showId("create", pod, config, podConfig);
      await show("start", container);
      await show("rm", "-f", container);
      assert.deepEqual((await json("ps", "-a")).containers, []);
      await show("rmp", "-f", "-a");
      assert.deepEqual((await json("pods")).items, []);
      assert.deepEqual(await crid.leftovers(), []);
    });

    /** The log is written by the monitor, which the process does not wait for. */
    async function waitForLog(container: string): Promise<string> {
      for (let attempt = 0;; attempt++) {
        const { stdout, stderr } = await crictl(crid, ["logs", container]);
        const text = stdout + stderr;
        if (text.split("\n").length > 2 || attempt === 50) return text;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  });
}
