import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { CridError } from "../../../src/failure/mod.ts";
import { CONTAINER, POD, type Served, served } from "./served.ts";

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function get(crid: Served, path: string, method = "GET"): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: crid.socketPath, path, method }, (response) => {
      let body = "";
      response.on("data", (chunk: Uint8Array) => body += new TextDecoder().decode(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode!,
          type: response.headers["content-type"] ?? "",
          body,
        }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** What comes back for `text` from a client that says no more and hears until the end, as `nc` and `socat` do. */
async function say(crid: Served, text: string): Promise<string> {
  const socket = connect({ path: crid.socketPath, allowHalfOpen: true });
  socket.end(text);
  const chunks = await Array.fromAsync(socket.setEncoding("utf8"));
  return chunks.join("");
}

async function withContainer(crid: Served) {
  const { podSandboxId } = await crid.client.runtime.runPodSandbox({ config: POD });
  const { containerId } = await crid.client.runtime.createContainer({
    podSandboxId,
    config: { ...CONTAINER, labels: { l: "1" }, annotations: { a: "2" } },
  });
  await crid.client.runtime.startContainer({ containerId });
  return { podSandboxId, containerId };
}

describe("the status API on the CRI socket", () => {
  it("gives the configuration as TOML", async () => {
    await using crid = await served();
    assert.deepEqual(await get(crid, "/config"), {
      status: 200,
      type: "application/toml",
      body: "[crio]\n",
    });
  });

  it("answers a path that is no URL, and serves on", async () => {
    await using crid = await served();
    for (const path of ["//", "//[", "///info", "/info?a=//"]) {
      const { status } = await get(crid, path);
      assert.equal(status, path.startsWith("/info") ? 200 : 404, path);
    }
    assert.equal((await crid.client.runtime.version()).runtimeName, "cri-o");
  });

  it("answers requests typed with any line ends, by a client that hangs up on its side", async () => {
    const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
    await using crid = await served({ pauser: { pause: slowly, unpause: slowly } });
    const { containerId } = await withContainer(crid);
    for (const path of [`/containers/${containerId}`, `/pause/${containerId}`]) {
      for (const [line, last] of [["\r\n", "\r\n"], ["\r\n", "\n"], ["\n", "\n"]]) {
        const reply = await say(crid, `GET ${path} HTTP/1.1${line}Host: crio${line}${last}`);
        assert.match(reply, /^HTTP\/1.1 200 OK\r\n/, JSON.stringify([path, line, last]));
      }
    }
  });

  it("tells cAdvisor where the storage is", async () => {
    await using crid = await served();
    const { status, type, body } = await get(crid, "/info");
    assert.equal(status, 200);
    assert.equal(type, "application/json");
    const identity = [{ container_id: 0, host_id: 0, size: 4294967295 }];
    assert.deepEqual(JSON.parse(body), {
      storage_driver: "overlay",
      storage_image: "",
      storage_root: "/var/lib/containers/storage",
      cgroup_driver: "cgroupfs",
      default_id_mappings: { uids: identity, gids: identity },
    });
  });

  it("describes a container, with its creation time to the nanosecond", async () => {
    await using crid = await served();
    const { podSandboxId, containerId } = await withContainer(crid);
    const { status, body } = await get(crid, `/containers/${containerId}`);
    assert.equal(status, 200);
    assert.match(body, /"created_time":1700000001000000001,/);
    const { created_time: _, crio_annotations, ...container } = JSON.parse(body);
    assert.equal(crio_annotations["io.kubernetes.cri-o.Name"], "k8s_c_p_n_u_0");
    assert.deepEqual(container, {
      name: "k8s_c_p_n_u_0",
      pid: 4711,
      image: "docker.io/library/busybox:latest",
      image_ref: `docker.io/library/busybox@sha256:${"ef".repeat(32)}`,
      labels: { l: "1" },
      annotations: { a: "2" },
      log_path: "/var/log/pods/x/",
      root: "/var/lib/containers/storage/overlay/x/merged",
      sandbox: podSandboxId,
      ip_addresses: ["10.1.2.3", "fd00::3"],
      host_network: false,
    });
  });

  it("describes a sandbox without a process by that of a container", async () => {
    await using crid = await served();
    const { podSandboxId } = await withContainer(crid);
    const { status, body } = await get(crid, `/containers/${podSandboxId}`);
    assert.equal(status, 200);
    const sandbox = JSON.parse(body);
    assert.equal(sandbox.name, "k8s_POD_x");
    assert.equal(sandbox.pid, 4711);
    assert.equal(sandbox.sandbox, podSandboxId);
  });

  it("knows only whole ids", async () => {
    await using crid = await served();
    const { containerId } = await withContainer(crid);
    const id = containerId.slice(0, 20);
    const { status, body } = await get(crid, `/containers/${id}`);
    assert.equal(status, 404);
    assert.equal(body, `can't find the container with id ${id}\n`);
  });

  it("misses a container whose sandbox is gone", async () => {
    await using crid = await served();
    const { podSandboxId, containerId } = await withContainer(crid);
    crid.pods.sandboxRecords.delete(podSandboxId);
    const { status, body } = await get(crid, `/containers/${containerId}`);
    assert.equal(status, 404);
    assert.equal(body, `can't find the sandbox for container id ${containerId}\n`);
  });

  it("pauses and unpauses, and says when it cannot", async () => {
    const paused: string[] = [];
    const pauser = {
      pause: (id: string) => Promise.resolve(void paused.push(id)),
      unpause: () =>
        Promise.reject(
          new CridError("failed_precondition", "container is not in paused state, now is running"),
        ),
    };
    await using crid = await served({ pauser });
    const { containerId } = await withContainer(crid);
    const reply = await get(crid, `/pause/${containerId}`);
    assert.deepEqual([reply.status, reply.body], [200, "200 OK"]);
    assert.deepEqual(paused, [containerId]);
    const conflict = await get(crid, `/unpause/${containerId}`);
    assert.equal(conflict.status, 409);
    assert.match(conflict.body, /^container is not in paused state, now is running/);
    assert.equal((await get(crid, "/pause/nope")).status, 404);
    await using without = await served();
    const other = await withContainer(without);
    assert.equal((await get(without, `/pause/${other.containerId}`)).status, 501);
  });

  it("lists the calls that are running", async () => {
    await using crid = await served();
    crid.pods.hang = () => {};
    const controller = new AbortController();
    const call = crid.client.runtime.runPodSandbox({ config: POD }, { signal: controller.signal });
    while (crid.pods.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const { body } = await get(crid, "/debug/goroutines");
    assert.match(
      body,
      /^1 calls running \(crid has no goroutines\)\n\/runtime\.v1\.RuntimeService\/RunPodSandbox for \d/,
    );
    controller.abort();
    await assert.rejects(call);
  });

  it("gives a snapshot of its heap", async () => {
    await using crid = await served();
    const { status, type, body } = await get(crid, "/debug/heap");
    assert.equal(status, 200);
    assert.equal(type, "application/octet-stream");
    assert.ok(JSON.parse(body).snapshot.node_count > 0);
  });

  it("answers 404 to what it does not know and 405 to what is no question", async () => {
    await using crid = await served();
    for (const path of ["/", "/nope", "/containers/", "/containers/a/b", "/debug/pprof/heap"]) {
      assert.equal((await get(crid, path)).status, 404, path);
    }
    assert.equal((await get(crid, "/info", "POST")).status, 405);
    const head = await get(crid, "/info", "HEAD");
    assert.deepEqual([head.status, head.body], [200, ""]);
  });
});
