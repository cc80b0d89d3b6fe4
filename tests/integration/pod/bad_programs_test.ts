import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { status as Code } from "@grpc/grpc-js";
import {
  containerConfig,
  createContainer,
  type Crid,
  isolate,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";
import { NamespaceMode } from "../../../src/gen/runtime/v1/api.ts";

/** What stands in for a program: it does as the file `mode` beside it says, else as the real one. */
function wrapper(real: string, directory: string): string {
  return `#!/bin/sh
case "$(cat ${directory}/mode 2>/dev/null)" in
  fail) echo "wrapper: disk on fire" >&2; exit 1 ;;
  fail-create) case "$*" in *create*) echo "wrapper: disk on fire" >&2; exit 1 ;; esac ;;
  fail-start) case "$*" in *start*) echo "wrapper: disk on fire" >&2; exit 1 ;; esac ;;
  hang) while [ "$(cat ${directory}/mode)" = hang ]; do sleep 0.1; done ;;
  garbage) head -c 100000 /dev/urandom; exit 0 ;;
  killed) kill -9 $$ ;;
esac
exec ${real} "$@"
`;
}

describe("a pod whose programs misbehave", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let programs: string;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    programs = await Deno.makeTempDir({ prefix: "crid-programs-" });
    stack.defer(() => Deno.remove(programs, { recursive: true }));
    for (const [name, real] of Object.entries(REAL)) {
      const directory = join(programs, name);
      await Deno.mkdir(directory);
      await Deno.writeTextFile(join(directory, name), wrapper(real(), directory), { mode: 0o755 });
    }
    await Deno.symlink("/usr/lib/cni/host-local", join(programs, "bridge", "host-local"));
    await Deno.symlink("/usr/lib/cni/portmap", join(programs, "bridge", "portmap"));
    crid = stack.use(
      await startCrid({
        registry: registry.host,
        isolation,
        settings: `[crio.runtime]
default_runtime = "wrapped"
pinns_path = "${join(programs, "pinns", "pinns")}"
[crio.runtime.runtimes.wrapped]
runtime_path = "${join(programs, "runc", "runc")}"
runtime_root = "${join(programs, "root")}"
monitor_path = "${join(programs, "conmon", "conmon")}"
container_create_timeout = 30
[crio.network]
plugin_dirs = ["${join(programs, "bridge")}"]
`,
      }),
    );
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    for (const name of Object.keys(REAL)) await set(name, "");
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
  });

  const REAL: Readonly<Record<string, () => string>> = {
    runc: () => "/usr/sbin/runc",
    conmon: () => new URL("../../../dist/native/conmon", import.meta.url).pathname,
    pinns: () => new URL("../../../dist/native/pinns", import.meta.url).pathname,
    bridge: () => "/usr/lib/cni/bridge",
  };
  const set = (program: string, mode: string) =>
    Deno.writeTextFile(join(programs, program, "mode"), mode);
  const pod = () =>
    podConfig(crid, {
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
    });

  async function failure(call: Promise<unknown>): Promise<{ code: number; details: string }> {
    try {
      await call;
    } catch (error) {
      if (isServiceError(error)) return error;
      throw error;
    }
    assert.fail("the call succeeds");
  }

  const podFaults: readonly (readonly [string, string, RegExp])[] = [
    ["pinns", "fail", /sandbox namespace creation: .*disk on fire/],
    ["pinns", "killed", /sandbox namespace creation: /],
    ["bridge", "fail", /sandbox network creation: .*bridge/],
    ["bridge", "garbage", /sandbox network creation: .*bridge/],
    ["bridge", "killed", /sandbox network creation: .*bridge/],
  ];
  for (const [program, mode, message] of podFaults) {
    it(`cannot be run when ${program} is told to ${mode}, leaves nothing, and can be retried`, async () => {
      const config = pod();
      await set(program, mode);
      const { details } = await failure(runPod(crid, config));
      assert.match(details, message);
      assert.deepEqual((await crid.client.runtime.listPodSandbox()).items, []);
      await set(program, "");
      // A DEL that failed while the plugin did is repeated at the latest now.
      await runPod(crid, config);
    });
  }

  const containerFaults: readonly (readonly [string, string, RegExp])[] = [
    ["runc", "fail-create", /container runtime creation: .*disk on fire/],
    ["conmon", "fail", /container runtime creation: /],
    ["conmon", "killed", /container runtime creation: /],
  ];
  for (const [program, mode, message] of containerFaults) {
    it(`cannot get a container when ${program} is told to ${mode}, and can afterwards`, async () => {
      const config = pod();
      const id = await runPod(crid, config);
      const container = containerConfig();
      await set(program, mode);
      const { details } = await failure(createContainer(crid, id, config, container));
      assert.match(details, message);
      assert.deepEqual((await crid.client.runtime.listContainers()).containers, []);
      await set(program, "");
      await runContainer(crid, id, config, container);
    });
  }

  it("has an exited container with the reason when the runtime cannot start it", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    const container = await createContainer(crid, id, config, containerConfig());
    await set("runc", "fail-start");
    const { details } = await failure(
      crid.client.runtime.startContainer({ containerId: container }),
    );
    assert.match(details, /disk on fire/);
    await set("runc", "");
    const { status } = await crid.client.runtime.containerStatus({ containerId: container });
    assert.equal(status?.reason, "StartError");
    assert.equal(status.exitCode, 128);
    assert.match(status.message, /disk on fire/);
    await crid.client.runtime.removeContainer({ containerId: container });
  });

  it("keeps its client no longer than the client wants when a plugin hangs, and goes on", async () => {
    const config = pod();
    await set("bridge", "hang");
    const call = crid.client.runtime.runPodSandbox({ config }, { timeoutMs: 500 });
    const { code } = await failure(call);
    assert.equal(code, Code.DEADLINE_EXCEEDED);
    const { items } = await crid.client.runtime.listPodSandbox();
    assert.deepEqual(items, [], "it is not listed while it is being made");
    // The plugin comes to its senses: the retry gets the pod that the first call began.
    await set("bridge", "");
    await runPod(crid, config);
  });

  it("can be stopped and removed when a plugin fails to take its network down", async () => {
    const config = pod();
    const id = await runPod(crid, config);
    await set("bridge", "fail");
    const { runtime } = crid.client;
    for (let tries = 0; tries < 2; tries++) {
      await failure(runtime.stopPodSandbox({ podSandboxId: id }));
    }
    await set("bridge", "");
    await runtime.stopPodSandbox({ podSandboxId: id });
    await runtime.removePodSandbox({ podSandboxId: id });
  });
});
