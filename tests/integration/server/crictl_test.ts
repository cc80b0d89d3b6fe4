import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { run } from "../../../src/linux/mod.ts";
import { conformanceTools } from "../../conformance/build.ts";
import { IMAGE } from "./fake_domain.ts";
import { type Served, served } from "./served.ts";

const POD = {
  metadata: { name: "web", namespace: "default", uid: "u1", attempt: 1 },
  linux: { security_context: { namespace_options: { pid: 1 } } },
};
const CONTAINER = {
  metadata: { name: "server" },
  image: { image: "busybox" },
  command: ["top"],
  log_path: "server.log",
};

/** crictl, with the files that it needs, against a server. */
async function crictlFor(crid: Served) {
  const { crictl } = await conformanceTools();
  const directory = crid.socketPath.slice(0, crid.socketPath.lastIndexOf("/"));
  const file = async (name: string, content: string) => {
    await Deno.writeTextFile(`${directory}/${name}`, content);
    return `${directory}/${name}`;
  };
  const config = await file("crictl.yaml", `runtime-endpoint: unix://${crid.socketPath}\n`);
  return {
    pod: await file("pod.json", JSON.stringify(POD)),
    container: await file("container.json", JSON.stringify(CONTAINER)),
    async run(...args: string[]) {
      const { code, stdout, stderr } = await run(crictl, ["--config", config, ...args]);
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
      return { code, stdout: text(stdout), stderr: text(stderr) };
    },
    async ok(...args: string[]) {
      const { code, stdout, stderr } = await this.run(...args);
      assert.equal(code, 0, `crictl ${args.join(" ")}: ${stderr}`);
      return stdout;
    },
  };
}

describe("crictl", () => {
  it("takes a pod with a container through its life", async () => {
    await using crid = await served();
    const crictl = await crictlFor(crid);
    const pod = await crictl.ok("runp", crictl.pod);
    const container = await crictl.ok("create", pod, crictl.container, crictl.pod);
    await crictl.ok("start", container.slice(0, 13));
    assert.match(await crictl.ok("pods"), /web\s+default\s+1\s+\(default\)/);
    assert.match(await crictl.ok("ps"), /Running\s+server/);
    assert.equal(await crictl.ok("exec", "-s", container, "true"), "out");
    const inspected = JSON.parse(await crictl.ok("inspect", container));
    assert.equal(inspected.status.state, "CONTAINER_RUNNING");
    assert.equal(inspected.status.createdAt, "2023-11-14T22:13:21.000000001Z");
    assert.equal(inspected.info.pid, 4711);
    assert.equal(JSON.parse(await crictl.ok("inspectp", pod)).status.network.ip, "10.1.2.3");
    await crictl.ok("update", "--memory", "1048576", container);
    await crictl.ok("stop", "-t", "3", container);
    await crictl.ok("rm", container);
    await crictl.ok("stopp", pod);
    await crictl.ok("rmp", pod);
    assert.equal(await crictl.ok("pods", "-q"), "");
  });

  it("shows the runtime's status, version and configuration", async () => {
    await using crid = await served();
    const crictl = await crictlFor(crid);
    assert.match(await crictl.ok("version"), /RuntimeName:\s+cri-o/);
    const info = JSON.parse(await crictl.ok("info"));
    assert.equal(info.config.crio.DefaultRuntime, "crun");
    assert.equal(info.status.conditions[1].reason, "NetworkPluginNotReady");
    assert.match(await crictl.ok("runtime-config"), /CGROUPFS/);
  });

  it("lists, inspects, pulls and removes images", async () => {
    await using crid = await served();
    const crictl = await crictlFor(crid);
    assert.match(await crictl.ok("images"), /docker\.io\/library\/busybox\s+1\s+ababab/);
    assert.equal(JSON.parse(await crictl.ok("inspecti", "busybox")).status.id, IMAGE.id);
    await crictl.ok("pull", "--creds", "user:pass", "busybox");
    assert.equal(crid.images.pulls[0]?.auth?.username, "user");
    await crictl.ok("rmi", IMAGE.id);
    assert.deepEqual(crid.images.removed, [IMAGE.id]);
    assert.match(await crictl.ok("imagefsinfo"), /overlay-images/);
  });

  it("is told what is not there and what is not built", async () => {
    await using crid = await served();
    const crictl = await crictlFor(crid);
    const unknown = await crictl.run("inspect", "nope");
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /code = NotFound desc = container nope not found/);
    const exec = await crictl.run("metricdescs");
    assert.match(exec.stderr, /Unimplemented desc = ListMetricDescriptors is not implemented/);
  });

  it("gets its own deadline back when the runtime is slow", async () => {
    await using crid = await served();
    const crictl = await crictlFor(crid);
    const reason = Promise.withResolvers<{ code: string }>();
    crid.pods.hang = (why) => reason.resolve(why as { code: string });
    const { stderr } = await crictl.run("--timeout", "200ms", "runp", crictl.pod);
    assert.match(stderr, /DeadlineExceeded/);
    assert.equal((await reason.promise).code, "deadline_exceeded");
  });
});
